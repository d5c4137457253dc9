// SPDX-License-Identifier: Apache-2.0

package provision

import "reflect"

// fillUnset sets every nil pointer, map and slice of the struct *want to what
// before has there, struct fields in structs included. So what a profile leaves
// alone is what it was before, also where a step takes it away on the road.
func fillUnset[T any](want *T, before T) {
	fillValue(reflect.ValueOf(want).Elem(), reflect.ValueOf(before))
}

func fillValue(want, before reflect.Value) {
	for i := range want.NumField() {
		w, b := want.Field(i), before.Field(i)
		switch w.Kind() {
		case reflect.Struct:
			fillValue(w, b)
		case reflect.Pointer, reflect.Map, reflect.Slice:
			if w.IsNil() {
				w.Set(b)
			}
		}
	}
}
