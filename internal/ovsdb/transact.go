// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"context"
	"encoding/json"
	"fmt"
)

// Op is one operation of a transaction (RFC 7047, 5.2).
type Op map[string]any

func of(uuid string) []any { return []any{[]any{"_uuid", "==", UUID(uuid)}} }

// Select reads all rows of a table; without columns, all of them.
func Select(table string, columns ...string) Op {
	op := Op{"op": "select", "table": table, "where": []any{}}
	if len(columns) > 0 {
		op["columns"] = columns
	}
	return op
}

// SelectRow reads columns of one row.
func SelectRow(table, uuid string, columns ...string) Op {
	return Op{"op": "select", "table": table, "where": of(uuid), "columns": columns}
}

// Insert makes a row, which the transaction calls name (see Named).
func Insert(table, name string, row Columns) Op {
	return Op{"op": "insert", "table": table, "uuid-name": name, "row": row}
}

// Update sets columns of a row.
func Update(table, uuid string, row Columns) Op {
	return Op{"op": "update", "table": table, "where": of(uuid), "row": row}
}

// Mutation is a change of a column by a mutator: +=, insert, delete.
type Mutation struct {
	Column, Mutator string
	Value           json.RawMessage
}

// MarshalJSON is the triple of RFC 7047, 5.1.
func (m Mutation) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{m.Column, m.Mutator, m.Value})
}

// Mutate changes columns of a row.
func Mutate(table, uuid string, mutations ...Mutation) Op {
	return Op{"op": "mutate", "table": table, "where": of(uuid), "mutations": mutations}
}

// Unchanged makes the transaction hold only while a column is as it was read
// (wait, with no time to wait): ovs-vsctl guards its transactions in the same way.
func Unchanged(table, uuid, column string, was json.RawMessage) Op {
	if was == nil {
		was = Set[string]()
	}
	return Op{"op": "wait", "timeout": 0, "table": table, "where": of(uuid), "columns": []string{column}, "until": "==", "rows": []Columns{{column: was}}}
}

// Result is the answer to one operation.
type Result struct {
	Count int       `json:"count"`
	Rows  []Columns `json:"rows"`
}

// OpError is an operation that was refused; with it, the whole transaction was.
type OpError struct {
	Op      Op     // nil: it was refused when all operations had been done (a constraint)
	Code    string // as RFC 7047, 3.1 and 5.2, have them: "constraint violation", "timed out", ...
	Details string
}

func (e *OpError) Error() string {
	s := "OVSDB: the transaction was refused"
	if e.Op != nil {
		s = fmt.Sprintf("OVSDB: %v in table %v was refused", e.Op["op"], e.Op["table"])
		if row, ok := e.Op["row"].(Columns); ok && row.String("name") != "" {
			s += " (" + row.String("name") + ")"
		}
	}
	s += ": " + e.Code
	if e.Details != "" {
		s += ": " + e.Details
	}
	return s
}

// Moved tells that a premise of the transaction (Unchanged) did not hold any more:
// another writer was first.
func (e *OpError) Moved() bool { return e.Op != nil && e.Op["op"] == "wait" && e.Code == "timed out" }

// Transact does all of the operations, or none. An *OpError says which one was
// refused, and why.
func (c *Client) Transact(ctx context.Context, ops ...Op) ([]Result, error) {
	params := make([]any, 0, len(ops)+1)
	params = append(params, database)
	for _, op := range ops {
		params = append(params, op)
	}
	var answers []json.RawMessage
	if err := c.call(ctx, "transact", params, &answers); err != nil {
		return nil, err
	}
	return parseResults(ops, answers)
}

func parseResults(ops []Op, answers []json.RawMessage) ([]Result, error) {
	results := make([]Result, len(answers))
	for i, a := range answers {
		var failed struct {
			Error   string `json:"error"`
			Details string `json:"details"`
		}
		if string(a) == "null" {
			continue // not done, for another was refused
		}
		if err := json.Unmarshal(a, &failed); err != nil {
			return nil, fmt.Errorf("OVSDB: the answer to a transaction: %w", err)
		}
		if failed.Error != "" {
			e := &OpError{Code: failed.Error, Details: failed.Details}
			if i < len(ops) {
				e.Op = ops[i]
			}
			return nil, e
		}
		if err := json.Unmarshal(a, &results[i]); err != nil {
			return nil, fmt.Errorf("OVSDB: the answer to a transaction: %w", err)
		}
	}
	if len(results) < len(ops) {
		return nil, fmt.Errorf("OVSDB: %d operations were asked for, and %d answered", len(ops), len(results))
	}
	return results, nil
}
