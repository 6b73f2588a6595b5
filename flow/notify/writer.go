package notify

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Writer is a sender for every channel that delivers nothing and writes each message down, as for the terminal of a developer. Whoever
// reads what it writes can sign in as anybody. It is safe for concurrent use; W is required.
type Writer struct {
	W io.Writer

	mu sync.Mutex
}

var (
	_ EmailSender = (*Writer)(nil)
	_ SMSSender   = (*Writer)(nil)
	_ PushSender  = (*Writer)(nil)
)

// SendEmail implements EmailSender.
func (w *Writer) SendEmail(_ context.Context, m Mail) error {
	return w.write("E-mail to "+m.To, m.Subject, m.Text)
}

// SendSMS implements SMSSender.
func (w *Writer) SendSMS(_ context.Context, t Text) error { return w.write("SMS to "+t.To, t.Text) }

// SendPush implements PushSender.
func (w *Writer) SendPush(_ context.Context, a Alert) error {
	lines := []string{a.Title, a.Text}
	for _, name := range slices.Sorted(maps.Keys(a.Data)) {
		lines = append(lines, name+": "+a.Data[name])
	}
	return w.write("Notification to "+a.To, lines...)
}

// write frames a message, so that one ends where the next begins.
func (w *Writer) write(heading string, lines ...string) error {
	text := strings.ReplaceAll(strings.Join(lines, "\n\n"), "\n", "\n  │ ")
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := fmt.Fprintf(w.W, "\n  ┌ %s\n  │ %s\n  └\n", heading, text)
	return err
}
