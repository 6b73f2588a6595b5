package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/signet-idp/signet/store/directory"
)

// Rendered is a message as it is sent.
type Rendered struct {
	// Subject is that of an e-mail or the title of a notification.
	Subject string
	Text    string
	// HTML is that of an e-mail, else "".
	HTML string
	// Locale is the language in which there was a text.
	Locale string

	sender string // the name of who sends it
}

// maxLocales bounds the languages that are looked for.
const maxLocales = 16

// render finds the text of a message and fills it in. Errors are the store's.
func (m *Messages) render(ctx context.Context, message *sealedMessage) (Rendered, error) {
	l := &literals{messages: m, message: message}
	locales, err := l.locales(ctx)
	if err != nil {
		return Rendered{}, err
	}
	source, locale, err := m.source(ctx, message, locales)
	if err != nil {
		return Rendered{}, err
	}
	l.locale = locale
	return m.fill(ctx, source, l)
}

// fill writes a Source with the values of its literals.
func (m *Messages) fill(ctx context.Context, source Source, l *literals) (Rendered, error) {
	if source.HTML == "" && l.message.Channel == Email {
		source.HTML = markup(source.Text, m.catalog.layout)
	}
	var (
		subject, errSubject = compile(source.Subject, false)
		text, errText       = compile(plain(source.Text), false)
		page, errPage       = compile(source.HTML, true)
	)
	if err := errors.Join(errSubject, errText, errPage); err != nil { // set by something that does not validate
		return Rendered{}, &deadError{"its template is broken"}
	}
	if err := l.load(ctx, slices.Concat(subject.literals(), text.literals(), page.literals())); err != nil {
		return Rendered{}, err
	}
	r := Rendered{
		Subject: strings.TrimSpace(subject.render(l.value)), Text: tidy(text.render(l.value)), Locale: l.locale, sender: l.value("organization-name"),
	}
	if l.message.Channel == Email {
		r.HTML = page.render(l.value)
	}
	if len(l.unknown) > 0 {
		slices.Sort(l.unknown)
		m.config.Logger.WarnContext(ctx, "notify: a template has literals without a meaning", slog.String("template", string(l.message.Template)),
			slog.String("locale", l.locale), slog.Any("literals", slices.Compact(l.unknown)))
	}
	return r, nil
}

// tidy removes the blank lines that empty sections have left.
func tidy(text string) string {
	for strings.Contains(text, "\n\n\n") {
		text = strings.ReplaceAll(text, "\n\n\n", "\n\n")
	}
	return strings.TrimSpace(text)
}

// source is the text of a message: for each language in turn, that of the application in its organization, of the organization, of the
// same two in each ancestor, of the host, and ours.
func (m *Messages) source(ctx context.Context, message *sealedMessage, locales []string) (Source, string, error) {
	e := entryOf(message.Template, message.Channel)
	for _, locale := range locales {
		set, err := directory.Resolve(ctx, m.config.Directory.Settings, SourceSetting(message.Template, message.Channel, locale), message.Organization, message.Application.ID)
		if err != nil {
			return Source{}, "", err
		}
		if set.Text != "" {
			return set, locale, nil
		}
		if found, ok := m.catalog.find(locale, e); ok {
			return found, locale, nil
		}
	}
	return Source{}, "", &deadError{"there is no text for it"}
}

// SourceSetting is the setting with the text of a template in a language ("pt-br"), for an organization or an application in it.
func SourceSetting(t Template, c Channel, locale string) directory.SettingKey[Source] {
	e := entryOf(t, c)
	return directory.SettingKey[Source]{
		Name:     "notify.source." + string(e.channel) + "." + string(e.template) + "." + strings.ToLower(locale),
		Validate: Source.Validate,
	}
}

// System is the text of a template that holds where no organization has set another, in the first of the locales that has one, and that
// locale. The HTML is written out with its layout. An error says that there is no such template on the channel.
func (m *Messages) System(t Template, c Channel, locales ...string) (Source, string, error) {
	for _, locale := range candidates(locales, m.config.Senders.DefaultLocale) {
		if s, ok := m.catalog.find(locale, entryOf(t, c)); ok {
			if s.HTML == "" && c == Email {
				s.HTML = markup(s.Text, m.catalog.layout)
			}
			return s, locale, nil
		}
	}
	return Source{}, "", fmt.Errorf("notify: there is no template %q by %q", t, c)
}

// candidates are the languages to look for, in lower case, with the wider ones of each.
func candidates(locales []string, standard string) (all []string) {
	for _, tag := range append(slices.Clone(locales[:min(len(locales), maxLocales)]), standard, lastLocale) {
		if tag == "" {
			continue
		}
		for _, w := range wider(strings.ReplaceAll(tag, "_", "-")) {
			if !slices.Contains(all, w) {
				all = append(all, w)
			}
		}
	}
	return all
}

// Preview is a message as it would be sent to somebody whose language is locale, with sample values for what it does not say itself. It
// sends nothing. The error is the store's, or says that there is no such template.
func (m *Messages) Preview(ctx context.Context, message Message, locale string) (Rendered, error) {
	if !m.catalog.has(entryOf(message.Template, message.Channel)) {
		return Rendered{}, fmt.Errorf("notify: there is no template %q by %q", message.Template, message.Channel)
	}
	message.Locales = []string{locale}
	if message.Expires.IsZero() {
		message.Expires = m.db.Now().Add(15 * time.Minute)
	}
	l := &literals{messages: m, message: &sealedMessage{message, m.db.Now()}, samples: samples}
	source, locale, err := m.source(ctx, l.message, candidates(message.Locales, m.config.Senders.DefaultLocale))
	if err != nil {
		return Rendered{}, err
	}
	l.locale = locale
	return m.fill(ctx, source, l)
}
