package account

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/pages"
	"github.com/signet-idp/signet/store"
	"github.com/signet-idp/signet/store/directory"
)

func at(id string, t time.Time) flow.Message {
	return flow.Message{ID: id, Times: map[string]time.Time{"time": t}}
}

func count(id string, n int) flow.Message {
	return flow.Message{ID: id, Params: map[string]string{"count": strconv.Itoa(n)}}
}

// sessions is where the person is signed in, this browser first.
func (p *Portal) sessions(v *visit) ([]pages.AccountSection, error) {
	list, err := p.Directory.ActiveSessions(v.Context(), v.subject)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(list, func(a, b directory.ActiveSession) int {
		if (a.ID == v.session.ID) != (b.ID == v.session.ID) {
			if a.ID == v.session.ID {
				return -1
			}
			return 1
		}
		return b.Seen.Compare(a.Seen)
	})
	section := pages.AccountSection{ID: "sessions"}
	for _, s := range list {
		i, err := p.sessionItem(v, s)
		if err != nil {
			return nil, err
		}
		section.Items = append(section.Items, i)
	}
	if len(list) > 1 {
		section.Actions = []flow.Action{{Name: "end_others", Label: "account.sessions.end-others", Kind: flow.Secondary}}
	}
	return []pages.AccountSection{section}, nil
}

func (p *Portal) sessionItem(v *visit, s directory.ActiveSession) (pages.AccountItem, error) {
	i := pages.AccountItem{ID: s.ID, Icon: "device", Title: flow.Message{ID: "account.session.unknown"}}
	if s.Device != "" {
		i.Title = literal(s.Device)
	}
	if s.ID == v.session.ID {
		i.Details = append(i.Details, flow.Message{ID: "account.session.this"})
	}
	if s.Address != "" {
		i.Details = append(i.Details, literal(s.Address))
	}
	i.Details = append(i.Details, at("account.session.began", s.Created), at("account.session.seen", s.Seen))
	var names []string
	for _, ref := range s.Applications {
		app, err := p.Directory.Applications.Get(v.Context(), ref)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return i, err
		}
		names = append(names, app.Name)
	}
	if len(names) > 0 {
		i.Details = append(i.Details, flow.Message{ID: "account.session.applications", Params: map[string]string{"applications": strings.Join(names, ", ")}})
	}
	label := "account.session.end"
	if s.ID == v.session.ID {
		label = "account.session.sign-out"
	}
	i.Actions = []flow.Action{{Name: "end", Label: label, Kind: flow.Secondary}}
	return i, nil
}

func (p *Portal) sessionActions() map[string]func(*visit) (outcome, error) {
	return map[string]func(*visit) (outcome, error){"end": p.endSession, "end_others": p.endOthers}
}

// endSession ends a session of the person's, also the one they are here by.
func (p *Portal) endSession(v *visit) (outcome, error) {
	id := v.form.Value("id")
	if id == v.session.ID {
		if err := p.Engine.EndSession(v.w, v.Request, v.session.Ref(), "logout"); err != nil {
			return outcome{}, err
		}
		return answered, p.signedOut(v)
	}
	err := p.Directory.EndOwnSession(v.Context(), v.subject, id)
	if errors.Is(err, store.ErrNotFound) {
		return refused("account.gone"), nil
	}
	return did("account.session.ended"), err
}

// signedOut shows that the person is signed out here, and sends them to where else they are to be.
func (p *Portal) signedOut(v *visit) error {
	in := directory.Interaction{Purpose: directory.SignOut, Organization: v.subject.Org}
	if p.Connections != nil {
		var err error
		if in.Resume, err = p.Connections.SignOut(v.w, v.Request, v.session.Ref(), ""); err != nil {
			return err
		}
	}
	p.Engine.SignedOut(v.w, v.Request, in)
	return nil
}

func (p *Portal) endOthers(v *visit) (outcome, error) {
	err := p.Directory.Sessions.EndAllOf(v.Context(), v.subject.Ref(), v.session.ID, "revoked")
	return did("account.sessions.ended"), err
}
