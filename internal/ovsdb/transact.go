// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	libovsdb "github.com/ovn-org/libovsdb/ovsdb"
)

// Op is one operation of a transaction, as libovsdb writes it. What the server
// answers is read here: libovsdb's rows are made from a schema, or lose what a
// column was written as, and an empty array in one is a panic.
type Op = libovsdb.Operation

// Mutation is a change of a column.
type Mutation = libovsdb.Mutation

// The mutators that are used (RFC 7047, 5.1).
const (
	Add    = libovsdb.MutateOperationAdd
	Put    = libovsdb.MutateOperationInsert
	Remove = libovsdb.MutateOperationDelete
)

func of(uuid string) []libovsdb.Condition {
	return []libovsdb.Condition{libovsdb.NewCondition("_uuid", libovsdb.ConditionEqual, UUID(uuid))}
}

func row(c Columns) libovsdb.Row {
	r := libovsdb.NewRow()
	for name, value := range c {
		r[name] = value
	}
	return r
}

// Select reads all rows of a table; without columns, all of them.
func Select(table string, columns ...string) Op {
	return Op{Op: libovsdb.OperationSelect, Table: table, Columns: columns}
}

// SelectWhere reads the rows of a table whose column is, or is not, a value.
func SelectWhere(table, column string, is bool, value json.RawMessage, columns ...string) Op {
	function := libovsdb.ConditionNotEqual
	if is {
		function = libovsdb.ConditionEqual
	}
	return Op{Op: libovsdb.OperationSelect, Table: table, Where: []libovsdb.Condition{libovsdb.NewCondition(column, function, value)}, Columns: columns}
}

// SelectRow reads columns of one row.
func SelectRow(table, uuid string, columns ...string) Op {
	return Op{Op: libovsdb.OperationSelect, Table: table, Where: of(uuid), Columns: columns}
}

// Insert makes a row, which the transaction calls name (see Named).
func Insert(table, name string, c Columns) Op {
	return Op{Op: libovsdb.OperationInsert, Table: table, UUIDName: name, Row: row(c)}
}

// Update sets columns of a row.
func Update(table, uuid string, c Columns) Op {
	return Op{Op: libovsdb.OperationUpdate, Table: table, Where: of(uuid), Row: row(c)}
}

// Mutate changes columns of a row.
func Mutate(table, uuid string, mutations ...Mutation) Op {
	return Op{Op: libovsdb.OperationMutate, Table: table, Where: of(uuid), Mutations: mutations}
}

// Unchanged makes the transaction hold only while a column is as it was read
// (wait, with no time to wait): ovs-vsctl guards its transactions in the same way.
func Unchanged(table, uuid, column string, was json.RawMessage) Op {
	if was == nil {
		was = Set[string]()
	}
	return Op{
		Op: libovsdb.OperationWait, Timeout: new(0), Table: table, Where: of(uuid), Columns: []string{column},
		Until: string(libovsdb.WaitConditionEqual), Rows: []libovsdb.Row{{column: was}},
	}
}

// Result is the answer to one operation.
type Result struct {
	Count int       `json:"count"`
	Rows  []Columns `json:"rows"`

	text json.RawMessage // as it was answered
}

// OpError is an operation that was refused; with it, the whole transaction was.
type OpError struct {
	Op      *Op    // nil: it was refused when all operations had been done (a constraint)
	Code    string // as RFC 7047, 3.1 and 5.2, have them: "constraint violation", "timed out", ...
	Details string
}

func (e *OpError) Error() string {
	s := "OVSDB: the transaction was refused"
	if e.Op != nil {
		s = fmt.Sprintf("OVSDB: %s in table %s was refused", e.Op.Op, e.Op.Table)
		if name, ok := e.Op.Row["name"].(json.RawMessage); ok {
			s += " (" + Columns{"name": name}.String("name") + ")"
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
func (e *OpError) Moved() bool {
	return e.Op != nil && e.Op.Op == libovsdb.OperationWait && e.Code == "timed out"
}

// Transact does all of the operations, or none. An *OpError says which one was
// refused, and why. What was written is on the disk then (RFC 7047, 5.2.9): without
// that a power cut takes back what the journal, which is, has as done.
func (c *Client) Transact(ctx context.Context, ops ...Op) ([]Result, error) {
	asked := ops
	if slices.ContainsFunc(ops, writes) {
		asked = append(slices.Clone(ops), Op{Op: libovsdb.OperationCommit, Durable: new(true)})
	}
	var answers []json.RawMessage
	if err := c.call(ctx, "transact", libovsdb.NewTransactArgs(database, asked...), &answers); err != nil {
		return nil, err
	}
	results, err := parseResults(asked, answers)
	if err != nil {
		return nil, err
	}
	return results[:len(ops)], nil
}

func writes(o Op) bool {
	return o.Op != libovsdb.OperationSelect && o.Op != libovsdb.OperationWait
}

func parseResults(ops []Op, answers []json.RawMessage) ([]Result, error) {
	results := make([]Result, len(answers))
	for i, a := range answers {
		if string(a) == "null" {
			continue // not done, for another was refused
		}
		var answer struct {
			Result
			Error   string `json:"error"`
			Details string `json:"details"`
		}
		if err := json.Unmarshal(a, &answer); err != nil {
			return nil, fmt.Errorf("OVSDB: the answer to a transaction: %w", err)
		}
		if answer.Error != "" {
			e := &OpError{Code: answer.Error, Details: answer.Details}
			if i < len(ops) {
				e.Op = &ops[i]
			}
			return nil, e
		}
		results[i], results[i].text = answer.Result, a
	}
	if len(results) < len(ops) {
		return nil, fmt.Errorf("OVSDB: %d operations were asked for, and %d answered", len(ops), len(results))
	}
	return results, nil
}
