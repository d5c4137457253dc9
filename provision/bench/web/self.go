// SPDX-License-Identifier: Apache-2.0

package web

// Certificate makes a certificate of [Name], signed by itself and good for a day, and its
// key, in PEM: for another server that a bench measures.
func Certificate() (cert, key []byte, err error) { return certificate() }
