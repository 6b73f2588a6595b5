package main

import (
	"errors"
	"net"
)

// nodes are further processes of one provider: they share its database, its key ring and its issuer.
type nodes struct {
	processes []*process
	addresses []string
}

// manyNodes is how many nodes share a database in the row about that, the first one included.
const manyNodes = 3

// nodesTarget is the least that they do together, compared with one of them on the same machine.
const nodesTarget = 0.9

// startNodes starts those beside the first.
func startNodes(storeName, folder, host string, at addresses) (*nodes, error) {
	n := &nodes{}
	for range manyNodes - 1 {
		if err := n.start(storeName, folder, host, at); err != nil {
			return nil, errors.Join(err, n.stop())
		}
	}
	return n, nil
}

func (n *nodes) start(storeName, folder, host string, at addresses) error {
	port, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	defer func() { _ = port.Close() }()
	file, err := port.File()
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	p, err := start([]string{"-role=provider", "-store=" + storeName, "-folder=" + folder, "-issuer=http://" + host}, at, file)
	if err != nil {
		return err
	}
	n.processes, n.addresses = append(n.processes, p), append(n.addresses, port.Addr().String())
	return nil
}

func (n *nodes) stop() error {
	var problems []error
	for _, p := range n.processes {
		problems = append(problems, p.stop())
	}
	return errors.Join(problems...)
}
