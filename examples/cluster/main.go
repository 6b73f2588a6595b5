// Cluster runs three nodes of one identity provider, each a process of its own, on PostgreSQL and Redis, behind a small
// reverse proxy. End one of them (kill -9): the others go on, and nobody is signed out.
//
//	go run ./examples/cluster -postgres postgres://signet:secret@127.0.0.1:5432/signet -redis 127.0.0.1:6379
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"
)

// config is what all processes are told.
type config struct {
	postgres, redis, keys string
	// issuer is where people and clients reach the cluster: the proxy.
	issuer string
}

func main() {
	var c config
	var listen string
	var nodes int
	flag.StringVar(&c.postgres, "postgres", "postgres://127.0.0.1:5432/signet", "database")
	flag.StringVar(&c.redis, "redis", "127.0.0.1:6379", "Redis, for what may be lost")
	flag.StringVar(&c.keys, "keys", "signet.keys", "file of the key ring, the same on all nodes; made when missing")
	flag.StringVar(&listen, "listen", "127.0.0.1:8080", "address of the proxy")
	flag.IntVar(&nodes, "nodes", 3, "number of nodes")
	flag.StringVar(&c.issuer, "node", "", "serve as a node for this issuer, which is how the program starts its nodes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if c.issuer != "" {
		err = runNode(ctx, c, os.Stdout)
	} else {
		err = runCluster(ctx, c, listen, nodes, os.Stdout)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}

// runCluster starts the nodes, and passes requests on to them until ctx is done.
func runCluster(ctx context.Context, c config, address string, many int, out io.Writer) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("%w: choose another address with -listen", err)
	}
	defer listener.Close()
	ctx, cancel := context.WithCancel(ctx) // ends the nodes
	defer cancel()
	c.issuer = "http://" + listener.Addr().String()
	proxy := newProxy()
	for range many {
		node, err := startNode(ctx, c)
		if err != nil {
			return err
		}
		defer func() { _ = node.process.Wait() }()
		defer cancel()
		proxy.add(node.address)
		fmt.Fprintf(out, "  node %d at %s\n", node.process.Process.Pid, node.address)
	}
	go proxy.watch(ctx)
	fmt.Fprintf(out, `
  Identity provider   %[1]s

  A token             curl -u %[2]s:%[3]s -d grant_type=client_credentials %[1]s/oauth2/token
  What it is worth    curl -u %[2]s:%[3]s -d token=... %[1]s/oauth2/introspect

  Whichever node answers, the answer is the same. Ctrl-C ends the program; everything is remembered.

`, c.issuer, demoClient, demoSecret)
	return serve(ctx, listener, proxy)
}

// child is a node in a process of its own.
type child struct {
	process *exec.Cmd
	address string
}

// startNode starts this program once more, as a node, and returns when it serves.
func startNode(ctx context.Context, c config) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	process := exec.CommandContext(ctx, program, "-node", c.issuer, "-postgres", c.postgres, "-redis", c.redis, "-keys", c.keys)
	process.Cancel = func() error { return process.Process.Signal(os.Interrupt) }
	process.WaitDelay = 10 * time.Second
	process.Stderr = os.Stderr
	said, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(); err != nil {
		return nil, err
	}
	address, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("a node did not start: %w", errors.Join(process.Wait(), err))
	}
	return &child{process, strings.TrimSpace(address)}, nil
}

// serve answers requests until ctx is done, and then lets those that are under way end.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{
		Handler: h, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
	}
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(grace)
	})
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return ctx.Err()
}
