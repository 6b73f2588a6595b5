package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/signet-idp/signet/internal/strictjson"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

// RAR lets clients ask for more than scopes can say, by the parameter authorization_details of authorization requests and of token
// requests by client credentials (RFC 9396). A client may ask for the types that it is registered for, and for those that its application
// was authorized to use. People are asked for each
// detail; what they grant stands in the token response, in access tokens and in introspection answers, and later token requests
// may ask for less. An exchanged token has those of the subject token, of the types that its client may have.
type RAR struct {
	// Types are what may be asked for by clients that are registered for it. At least one, unless APIs is set.
	Types []DetailType
	// APIs also takes the types that the APIs of the organization have (directory.APIResource), from the applications that were authorized
	// to use them (directory.AuthorizedAPI). People see the type's name, and the detail as JSON, and are not asked again for the
	// very same. A type of Types that is called the same goes first. They are not in discovery, which is the same for every
	// organization; a type whose schema is none, or refers to elsewhere, is refused whatever is asked for.
	APIs bool
}

// DetailType is a type of authorization details. Methods are safe for concurrent use. A detail is a JSON object whose type is this
// one, without duplicate members.
type DetailType interface {
	// Type is the identifier: at most 256 printable ASCII characters.
	Type() string
	// Validate judges a detail. What is wrong with it is an *InvalidDetailError; any other error is a failure (503).
	Validate(ctx context.Context, detail json.RawMessage) error
	// IsEqualOrSubset reports whether all that is requested is in what was granted, to the same person: it is not asked for again,
	// and can be had with a refresh token. A type that always answers no is asked for every time.
	IsEqualOrSubset(ctx context.Context, requested, granted json.RawMessage) (bool, error)
	// Enrich puts a detail into words for the person who is to consent.
	Enrich(ctx context.Context, detail json.RawMessage) (DetailText, error)
}

// DetailText is how a detail is put to a person: plain text, which is never taken for markup.
type DetailText struct{ Title, Detail string }

// InvalidDetailError says what is wrong with a detail. Problem is shown to the client: printable ASCII without quotes.
type InvalidDetailError struct{ Problem string }

// Error implements error.
func (e *InvalidDetailError) Error() string { return "oidc: authorization detail: " + e.Problem }

// SchemaDetailType describes a type of authorization details by a JSON Schema.
type SchemaDetailType struct {
	// Identifier is the type. Required.
	Identifier string
	// Title is put to people; "" is the Identifier. Below it they see the detail as JSON.
	Title string
	// Schema is a JSON Schema (2020-12) without references to elsewhere, which a detail must fit; empty takes every object.
	Schema json.RawMessage
	// AskAlways asks for consent also where the same detail was granted before: for a payment, say.
	AskAlways bool
}

// NewDetailType returns the type that the schema describes, or what is wrong with that. A detail is a subset of another only when
// they are equal.
func NewDetailType(s SchemaDetailType) (DetailType, error) {
	t := &schemaType{SchemaDetailType: s}
	if len(s.Schema) == 0 {
		return t, nil
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(s.Schema, &schema); err != nil {
		return nil, fmt.Errorf("oidc: the schema of authorization details %q: %w", s.Identifier, err)
	}
	var err error
	if t.schema, err = schema.Resolve(nil); err != nil {
		return nil, fmt.Errorf("oidc: the schema of authorization details %q: %w", s.Identifier, err)
	}
	return t, nil
}

// schemaType is a DetailType with a schema.
type schemaType struct {
	SchemaDetailType
	schema *jsonschema.Resolved // nil takes everything
}

func (t *schemaType) Type() string { return t.Identifier }

func (t *schemaType) Validate(_ context.Context, detail json.RawMessage) error {
	if t.schema == nil {
		return nil
	}
	var value map[string]any
	if err := json.Unmarshal(detail, &value); err != nil {
		return &InvalidDetailError{"it is no object"}
	}
	if t.schema.Validate(value) != nil { // its text may quote the client's own
		return &InvalidDetailError{"it does not fit the schema of its type"}
	}
	return nil
}

func (t *schemaType) IsEqualOrSubset(_ context.Context, requested, granted json.RawMessage) (bool, error) {
	return sameJSON(requested, granted), nil
}

func (t *schemaType) Enrich(_ context.Context, detail json.RawMessage) (DetailText, error) {
	title := t.Title
	if title == "" {
		title = t.Identifier
	}
	return DetailText{title, string(detail)}, nil
}

// sameJSON compares what two documents mean: members have no order.
func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	return strictjson.Unmarshal(a, &x, strictjson.UseNumber()) == nil && strictjson.Unmarshal(b, &y, strictjson.UseNumber()) == nil &&
		reflect.DeepEqual(x, y)
}

// What a request may ask for, besides maxRequest.
const (
	maxDetails        = 20
	maxDetailType     = 256
	maxGrantedDetails = 20
)

func (f RAR) part() (part, error) {
	var problems []error
	var names []string
	for i, t := range f.Types {
		switch name := t.Type(); {
		case name == "" || len(name) > maxDetailType || strings.ContainsFunc(name, notPrintable):
			problems = append(problems, fmt.Errorf("oidc: Features.RAR.Types[%d]: the type is not 1 to %d printable characters", i, maxDetailType))
		case slices.Contains(names, name):
			problems = append(problems, fmt.Errorf("oidc: Features.RAR.Types[%d]: %q stands twice", i, name))
		default:
			names = append(names, name)
		}
	}
	if len(f.Types) == 0 && !f.APIs {
		problems = append(problems, errors.New("oidc: Features.RAR.Types: at least one type is required, or APIs"))
	}
	return part{
		features: []string{"RAR"},
		check: func(c *Client, bad report) {
			for _, name := range c.AuthorizationDetailsTypes {
				if !slices.Contains(names, name) {
					bad("authorization_details_types", "%q is not supported", name)
				}
			}
		},
		describe: func(m *metadata) { m.DetailTypesSupported = names },
	}, errors.Join(problems...)
}

// detailType returns the type of a detail of an application's; nil is none that there is.
func (p *Provider) detailType(ctx context.Context, application store.Ref, detail json.RawMessage) (DetailType, error) {
	f, name := p.config.Features.RAR, typeName(detail)
	if f == nil || name == "" {
		return nil, nil
	}
	if t := f.named(name); t != nil || !f.APIs {
		return t, nil
	}
	known, err := p.config.Directory.AuthorizedAPIs.DetailsType(ctx, application, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t, err := NewDetailType(SchemaDetailType{Identifier: name, Title: known.Name, Schema: known.Schema})
	if err != nil {
		p.config.Logger.LogAttrs(ctx, slog.LevelError, "oidc: a type of authorization details cannot be used", slog.String("type", name), slog.String("cause", err.Error()))
		return nil, nil
	}
	return t, nil
}

// permittedDetail is detailType where the client may ask for it: what Types hold it must be registered for.
func (p *Provider) permittedDetail(ctx context.Context, c *Client, detail json.RawMessage) (DetailType, error) {
	t, err := p.detailType(ctx, c.Application, detail)
	if err != nil || t == nil {
		return nil, err
	}
	if p.config.Features.RAR.named(t.Type()) != nil && !slices.Contains(c.AuthorizationDetailsTypes, t.Type()) {
		return nil, nil
	}
	return t, nil
}

// named returns the type of Types that is called so, or nil.
func (f *RAR) named(name string) DetailType {
	i := slices.IndexFunc(f.Types, func(t DetailType) bool { return t.Type() == name })
	if i < 0 {
		return nil
	}
	return f.Types[i]
}

// typeName is the type that a detail names; "" is none.
func typeName(detail json.RawMessage) string {
	var named struct {
		Type string `json:"type"`
	}
	if strictjson.Unmarshal(detail, &named) != nil {
		return ""
	}
	return named.Type
}

func errDetails(description string) *Error {
	return &Error{Code: "invalid_authorization_details", Description: description, Status: 400}
}

// askedDetails returns the authorization details that a request asks for. All are of types that the client is registered for, and
// fit them (RFC 9396 §5).
func (p *Provider) askedDetails(ctx context.Context, c *Client, form web.Form) ([]json.RawMessage, *Error) {
	if p.config.Features.RAR == nil || !form.Has("authorization_details") {
		return nil, nil
	}
	var asked []json.RawMessage
	if err := strictjson.Unmarshal([]byte(form.Value("authorization_details")), &asked); err != nil {
		return nil, errDetails("authorization_details is no JSON array of objects").because(err)
	}
	if len(asked) == 0 || len(asked) > maxDetails {
		return nil, errDetails("authorization_details is empty or too long")
	}
	for i, detail := range asked {
		t, err := p.permittedDetail(ctx, c, detail)
		if err != nil {
			return nil, unavailable(err)
		}
		if t == nil {
			return nil, errDetails("a type of authorization_details is missing, unknown, or not one that the client may ask for")
		}
		if asked[i], err = json.Marshal(detail); err != nil { // the bytes that the store gives back
			return nil, errDetails("authorization_details is no JSON array of objects").because(err)
		}
		if err := t.Validate(ctx, asked[i]); err != nil {
			if wrong, ok := errors.AsType[*InvalidDetailError](err); ok {
				return nil, errDetails("a detail is refused: " + strings.Map(descriptive, wrong.Problem)).because(err)
			}
			return nil, unavailable(err)
		}
	}
	return asked, nil
}

// detailItem begins the id of a consent item for a detail.
const detailItem = "detail:"

func detailID(detail json.RawMessage) string {
	sum := sha256.Sum256(detail)
	return detailItem + base64.RawURLEncoding.EncodeToString(sum[:])
}

// detailItems are the details of the request as they are put to a person, without those that they have granted before.
func (p *Provider) detailItems(ctx context.Context, q *authorizationRequest, app *directory.Application, c *Consent) ([]directory.ConsentItem, error) {
	var items []directory.ConsentItem
	for _, detail := range q.Details {
		known, err := p.covered(ctx, app.Ref(), detail, c.Details)
		if err != nil {
			return nil, err
		}
		if known && !q.prompts(promptConsent) {
			c.approved = append(c.approved, detailID(detail))
			continue
		}
		t, err := p.detailType(ctx, app.Ref(), detail)
		if err != nil {
			return nil, err
		}
		if t == nil {
			return nil, errDetails("a type of authorization_details is no longer supported")
		}
		text, err := t.Enrich(ctx, detail)
		if err != nil {
			return nil, unavailable(err)
		}
		items = append(items, directory.ConsentItem{
			ID: detailID(detail), Title: "detail.title|{title}", Detail: "detail.text|{text}",
			Params: map[string]string{"title": text.Title, "text": text.Detail},
		})
	}
	return items, nil
}

// covered reports whether the detail is in one of those that were granted.
func (p *Provider) covered(ctx context.Context, application store.Ref, detail json.RawMessage, granted []json.RawMessage) (bool, error) {
	t, err := p.detailType(ctx, application, detail)
	if err != nil || t == nil {
		return false, err
	}
	for _, g := range granted {
		if typeName(g) != t.Type() {
			continue
		}
		if is, err := t.IsEqualOrSubset(ctx, detail, g); err != nil || is {
			return is, wrap("oidc: authorization details: ", err)
		}
	}
	return false, nil
}

// decideDetails leaves of the request's details those that were approved, and remembers them where that spares a question.
func (p *Provider) decideDetails(ctx context.Context, q *authorizationRequest, app *directory.Application, c *Consent) error {
	q.Details = slices.DeleteFunc(slices.Clone(q.Details), func(d json.RawMessage) bool { return !slices.Contains(c.approved, detailID(d)) })
	for _, detail := range q.Details {
		again, err := p.covered(ctx, app.Ref(), detail, c.Details)
		if err != nil {
			return err
		}
		spares, err := p.covered(ctx, app.Ref(), detail, []json.RawMessage{detail})
		if err != nil {
			return err
		}
		if spares && !again && !p.isAskedAlways(detail) {
			c.Details = append(c.Details, detail)
		}
	}
	c.Details = c.Details[max(0, len(c.Details)-maxGrantedDetails):] // the oldest are forgotten, and asked for again
	return nil
}

func (p *Provider) isAskedAlways(detail json.RawMessage) bool {
	t, ok := p.config.Features.RAR.named(typeName(detail)).(*schemaType)
	return ok && t.AskAlways
}

// detailsOf decides which details the access token in the making carries: those that the token request asks for, of those that
// were granted and whose types the client may still have; all of them when it asks for none (RFC 9396 §6).
func (p *Provider) detailsOf(ctx context.Context, t *issue) (json.RawMessage, error) {
	asked, refusal := p.askedDetails(ctx, t.client, t.form)
	if refusal != nil {
		return nil, refusal
	}
	details := asked
	if t.chain != nil { // without a person, the client's registration is what grants
		granted, err := p.stillPermitted(ctx, t.client, t.chain.grant.Details)
		if err != nil {
			return nil, unavailable(err)
		}
		for _, detail := range asked {
			in, err := p.covered(ctx, t.client.Application, detail, granted)
			if err != nil {
				return nil, unavailable(err)
			}
			if !in {
				return nil, errDetails("authorization_details is wider than what was granted")
			}
		}
		if len(asked) == 0 {
			details = granted
		}
	}
	if len(details) == 0 {
		return nil, nil
	}
	return json.Marshal(details)
}

// stillPermitted returns those of the details whose types the client may still have.
func (p *Provider) stillPermitted(ctx context.Context, c *Client, details []json.RawMessage) ([]json.RawMessage, error) {
	var still []json.RawMessage
	for _, detail := range details {
		t, err := p.permittedDetail(ctx, c, detail)
		if err != nil {
			return nil, err
		}
		if t != nil {
			still = append(still, detail)
		}
	}
	return still, nil
}
