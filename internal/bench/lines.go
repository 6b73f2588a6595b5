package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
)

// Processes talk in lines of JSON: the one that was started asks, the others answer.

// reply is an answer, or why there is none.
type reply[A any] struct {
	Answer A
	Error  string
}

// answerLines answers questions until there are none left.
func answerLines[Q, A any](in io.Reader, out io.Writer, answer func(Q) (A, error)) error {
	decoder, encoder := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var q Q
		if err := decoder.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		a, err := answer(q)
		r := reply[A]{Answer: a}
		if err != nil {
			r.Error = err.Error()
		}
		if err := encoder.Encode(r); err != nil {
			return err
		}
	}
}

// process is another process of this program.
type process struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

// start runs this program in a role, with servers at their addresses. Files are open in it from number 3 on.
func start(arguments []string, at addresses, files ...*os.File) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{command: exec.Command(self, arguments...)}
	p.command.Stderr, p.command.ExtraFiles, p.command.Env = os.Stderr, files, at.environment()
	if p.in, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if slices.Contains(arguments, "-role=load") {
		return p, p.command.Start()
	}
	return p, onServers(p.command.Start)
}

// stop ends the process: it ends by itself when nobody can ask any more.
func (p *process) stop() error {
	return errors.Join(p.in.Close(), p.command.Wait())
}

// ask asks the process.
func ask[A any](p *process, question any) (A, error) {
	var r reply[A]
	if err := json.NewEncoder(p.in).Encode(question); err != nil {
		return r.Answer, err
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return r.Answer, fmt.Errorf("%s: %w", p.command.Args[1], err)
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return r.Answer, err
	}
	if r.Error != "" {
		return r.Answer, errors.New(r.Error)
	}
	return r.Answer, nil
}
