// SPDX-License-Identifier: Apache-2.0

// Package sample owns the document in which a bench keeps what it measured: lines
// of JSON, the first a header (what was measured where, and how), each other one
// sample: one cell of the matrix, measured once. Nothing in it is computed from
// several samples: means, intervals, models and charts are made from the document by
// others, and can be made anew.
//
// A version of the document has one set of fields: a reader refuses a version that
// it does not know, and a field that the version does not have.
package sample

// Schema names the version of the document that this package writes and reads.
const Schema = "nicwright.bench/1"
