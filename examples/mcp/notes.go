package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// The tools.
const (
	toolList   = "list_notes"
	toolDelete = "delete_note"
)

// notes are what the server has.
type notes struct {
	mu  sync.Mutex
	all []string
}

// newNotes is an MCP server as it is without authorization.
func newNotes() *mcp.Server {
	n := &notes{all: []string{"buy milk", "call Bob"}}
	server := mcp.NewServer(&mcp.Implementation{Name: "notes", Version: "1.0.0"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: toolList, Description: "Lists all notes."}, n.list)
	mcp.AddTool(server, &mcp.Tool{Name: toolDelete, Description: "Deletes a note."}, n.delete)
	return server
}

func (n *notes) list(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return text(strings.Join(n.all, "\n")), nil, nil
}

// deletion is what delete_note is called with.
type deletion struct {
	Note string `json:"note" jsonschema:"the text of the note"`
}

func (n *notes) delete(_ context.Context, _ *mcp.CallToolRequest, d deletion) (*mcp.CallToolResult, any, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	at := slices.Index(n.all, d.Note)
	if at < 0 {
		return nil, nil, fmt.Errorf("there is no note %q", d.Note)
	}
	n.all = slices.Delete(n.all, at, at+1)
	return text("deleted"), nil, nil
}

func text(s string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: s}}}
}
