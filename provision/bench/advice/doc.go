// SPDX-License-Identifier: Apache-2.0

// Package advice says whether the card's TLS is worth it for what a server really
// sends: it holds a workload (an access log, a stated mix, this host's connections)
// against the samples of a bench. An answer is on, off, no difference, or cannot tell;
// it comes with what is to be expected and why. What was not measured is not advised.
package advice
