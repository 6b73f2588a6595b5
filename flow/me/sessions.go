package me

import (
	"strconv"
	"time"

	"github.com/signet-idp/signet/store"
)

// session is one of the person's sign-ins. Times are milliseconds since 1970, as text.
type session struct {
	ID           string               `json:"id"`
	UserID       string               `json:"userId"`
	IDPName      string               `json:"idpName"`
	Applications []sessionApplication `json:"applications"`
	UserAgent    string               `json:"userAgent"`
	IP           string               `json:"ip"`
	LoginTime    string               `json:"loginTime"`
	LastAccess   string               `json:"lastAccessTime"`
}

// sessionApplication is what took part in a session.
type sessionApplication struct {
	ID      string `json:"id"`
	Subject string `json:"subject"`
	AppName string `json:"appName"`
	AppID   string `json:"appId"`
}

const localProvider = "LOCAL"

// listSessions lists where the person is signed in.
func (a *API) listSessions(c *call) (answer, error) {
	user, err := a.user(c)
	if err != nil {
		return answer{}, err
	}
	active, err := a.Directory.ActiveSessions(c.ctx(), c.Subject)
	if err != nil {
		return answer{}, err
	}
	list, names := make([]session, 0, len(active)), map[store.Ref]string{}
	for _, one := range active {
		s := session{
			ID: one.ID, UserID: c.ref.ID, IDPName: localProvider, Applications: []sessionApplication{}, UserAgent: one.UserAgent, IP: one.Address,
			LoginTime: milliseconds(one.Created), LastAccess: milliseconds(one.Seen),
		}
		for _, e := range one.Evidence {
			if e.Issuer != "" {
				s.IDPName = e.Issuer
			}
		}
		for _, app := range one.Applications {
			name, err := a.applicationName(c, app, names)
			if err != nil {
				return answer{}, err
			}
			s.Applications = append(s.Applications, sessionApplication{ID: app.ID, Subject: user.Username, AppName: name, AppID: app.ID})
		}
		list = append(list, s)
	}
	return answer{Body: struct {
		UserID   string    `json:"userId"`
		Sessions []session `json:"sessions"`
	}{c.ref.ID, list}}, nil
}

// endSessions ends all of them, with what hangs on them: that of the request too.
func (a *API) endSessions(c *call) (answer, error) {
	return noContent, a.Directory.Sessions.EndAllOf(c.ctx(), c.ref, "", "revoked")
}

// endSession ends one of them.
func (a *API) endSession(c *call) (answer, error) {
	return noContent, a.Directory.EndOwnSession(c.ctx(), c.Subject, c.r.PathValue("id"))
}

func milliseconds(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
