package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/signet-idp/signet/internal/testenv"
)

// TestMain lets the test binary be the program when the cluster starts its nodes.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "-node" {
		main()
		return
	}
	os.Exit(m.Run())
}

// output is what the program has printed so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	full chan struct{}
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.text.Write(b)
	if strings.Contains(o.text.String(), "Ctrl-C") {
		select {
		case <-o.full:
		default:
			close(o.full)
		}
	}
	return n, err
}

// ask posts a form to the cluster as the client of the demonstration.
func ask(t *testing.T, address string, form url.Values) (status int, answer map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(demoClient, demoSecret)
	r.Close = true // the next one may go to another node
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
	}
	return response.StatusCode, answer
}

// Three nodes start on an empty database; what one issues every other knows; and when one is killed the others go on.
func TestCluster(t *testing.T) {
	t.Parallel()
	c := config{
		postgres: testenv.SharedPostgres(t).NewDatabase(t), redis: testenv.Redis(t).Addr(), keys: filepath.Join(t.TempDir(), "keys"),
	}
	ctx, cancel := context.WithCancel(t.Context())
	out := &output{full: make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- runCluster(ctx, c, "127.0.0.1:0", 3, out) }()
	select {
	case <-out.full:
	case err := <-ended:
		t.Fatal(err)
	}
	issuer := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(out.text.String())
	nodes := regexp.MustCompile(`node (\d+) at`).FindAllStringSubmatch(out.text.String(), -1)
	if issuer == "" || len(nodes) != 3 {
		t.Fatalf("the program printed\n%s", &out.text)
	}

	status, token := ask(t, issuer+"/oauth2/token", url.Values{"grant_type": {"client_credentials"}})
	text, _ := token["access_token"].(string)
	if status != http.StatusOK || text == "" {
		t.Fatalf("%d %v", status, token)
	}
	known := func() {
		t.Helper()
		for range 12 {
			if status, answer := ask(t, issuer+"/oauth2/introspect", url.Values{"token": {text}}); status != http.StatusOK || answer["active"] != true {
				t.Errorf("a node does not know the token: %d %v", status, answer)
			}
		}
	}
	known()

	pid, err := strconv.Atoi(nodes[0][1])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for { // connections to it that were kept open fail once
		if status, _ := ask(t, issuer+"/oauth2/introspect", url.Values{"token": {text}}); status == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the cluster has not recovered from the loss of a node")
		}
	}
	known()
	cancel()
	if err := <-ended; err == nil || ctx.Err() == nil {
		t.Errorf("the program ended with %v", err)
	}
}
