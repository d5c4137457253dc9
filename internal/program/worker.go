// SPDX-License-Identifier: Apache-2.0

package program

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Worker is a program that is asked by lines of JSON on its standard input, and
// answers each by another: this one, most often, in another namespace and cgroup.
type Worker struct {
	running *Running
	enc     *json.Encoder
	dec     *json.Decoder
	end     []io.Closer
}

// StartWorker starts one; s.Stdin and s.Stdout are the worker's own.
func StartWorker(ctx context.Context, s Spec) (*Worker, error) {
	in, ask, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting a worker: %w", err)
	}
	answer, out, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting a worker: %w", err), in.Close(), ask.Close())
	}
	s.Stdin, s.Stdout = in, out
	w := &Worker{enc: json.NewEncoder(ask), dec: json.NewDecoder(answer), end: []io.Closer{ask, answer}}
	w.running, err = Start(ctx, s)
	in.Close()
	out.Close() // the other process has them: when it ends, reading does
	if err != nil {
		return nil, errors.Join(err, w.Stop())
	}
	return w, nil
}

// Ask asks a question, and Answer waits for its answer. Their errors are that there is
// no worker any more, with what it said last.
func (w *Worker) Ask(question any) error { return w.gone(w.enc.Encode(question)) }

// Answer waits for the answer to the oldest question that has had none.
func (w *Worker) Answer(to any) error { return w.gone(w.dec.Decode(to)) }

// Asked asks a question and waits for its answer.
func Asked[A any](w *Worker, question any) (answer A, err error) {
	if err = w.Ask(question); err == nil {
		err = w.Answer(&answer)
	}
	return answer, err
}

// Self are the arguments of a worker that is this program, with a verb that comes to
// [Work].
func Self(verb ...string) []string { return append([]string{"/proc/self/exe"}, verb...) }

func (w *Worker) gone(err error) error {
	if err == nil {
		return nil
	}
	var end error
	select {
	case <-w.running.Done():
		end = w.running.Wait()
	default:
		if errors.Is(err, io.EOF) { // it has closed its output: it ends
			end = w.running.Wait()
		}
	}
	return fmt.Errorf("asking a worker: %w", errors.Join(err, end))
}

// Stop ends it, for it has no more to read then, and waits until it has.
func (w *Worker) Stop() error {
	var errs []error
	for _, e := range w.end {
		errs = append(errs, e.Close())
	}
	if w.running != nil {
		<-w.running.Done()
	}
	return errors.Join(errs...)
}

// Work is the other side: it does what it is asked, until there is no more.
func Work[Question, Answer any](in io.Reader, out io.Writer, do func(Question) Answer) error {
	dec, enc := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var q Question
		if err := dec.Decode(&q); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("reading what is to be done: %w", err)
		}
		if err := enc.Encode(do(q)); err != nil {
			return fmt.Errorf("answering: %w", err)
		}
	}
}
