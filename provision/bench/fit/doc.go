// SPDX-License-Identifier: Apache-2.0

// Package fit makes lines, models and crossings of the samples of a bench. A line is
// one way to do the work (a mode, with its TLS version and all that a cell has but the
// size of what is transferred), its figures by size and turn. Of figures, logarithms
// are averaged: what disturbs a measurement multiplies. Two lines are compared turn by
// turn: what the machine did meanwhile met both.
//
// Only samples whose path was as their cell says are figures; the others are kept as findings.
package fit
