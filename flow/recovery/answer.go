package recovery

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/internal/web"
)

// said is what is answered to a call.
type said struct {
	status int
	body   any
}

func (s *said) write(w http.ResponseWriter) { web.WriteValue(w, s.status, s.body) }

// recoveryType is one of the ways to recover an account: by a message, and no other.
type recoveryType struct {
	Mode                 string      `json:"mode"`
	FlowConfirmationCode string      `json:"flowConfirmationCode,omitempty"`
	ChannelInfo          channelInfo `json:"channelInfo"`
	Links                []link      `json:"links"`
}

type channelInfo struct {
	RecoveryCode string    `json:"recoveryCode"`
	Channels     []channel `json:"channels"`
	Captcha      *captcha  `json:"captcha,omitempty"`
}

type channel struct {
	ID        string `json:"id"`
	Type      string `json:"type"`
	Value     string `json:"value"`
	Preferred bool   `json:"preferred"`
}

// captcha is what a person solves before a message is sent.
type captcha struct {
	Type    string `json:"type"`
	SiteKey string `json:"siteKey"`
	URL     string `json:"url"`
}

type link struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
	Type string `json:"type"`
}

// notified is the answer when a message was sent.
type notified struct {
	Code                 string `json:"code"`
	Message              string `json:"message"`
	FlowConfirmationCode string `json:"flowConfirmationCode,omitempty"`
	NotificationChannel  string `json:"notificationChannel"`
	ResendCode           string `json:"resendCode,omitempty"`
	Links                []link `json:"links,omitempty"`
}

type confirmed struct {
	ResetCode            string `json:"resetCode"`
	FlowConfirmationCode string `json:"flowConfirmationCode,omitempty"`
	Links                []link `json:"links"`
}

type completed struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// retry is an error after which the same call may be made again.
type retry struct {
	Code        string `json:"code"`
	Message     string `json:"message"`
	Description string `json:"description"`
	Trace       string `json:"traceId"`
	ResetCode   string `json:"resetCode"`
	Links       []link `json:"links"`
}

// channels are what the contract calls the ways of messages.
var channels = []struct {
	id, name string
	way      notify.Channel
}{{"1", "EMAIL", notify.Email}, {"2", "SMS", notify.SMS}}

// channelOf is the way that an id of the contract's names; "" is none.
func channelOf(id string) notify.Channel {
	for _, c := range channels {
		if c.id == id {
			return c.way
		}
	}
	return ""
}

func channelName(way notify.Channel) string {
	for _, c := range channels {
		if c.way == way {
			return c.name
		}
	}
	return ""
}

// linkTo is the next call, or another one.
func (t *Transport) linkTo(rel, path string) link {
	return link{rel, t.locate(Path + path), http.MethodPost}
}

// channelsOf are the channels that the policy opens for what was typed. They are the same whoever has it, if anybody does: of an address is shown what
// was typed here, and of others nothing.
func (c *call) channelsOf(open []notify.Channel) (all []channel) {
	typed := map[string]notify.Channel{emailClaim: notify.Email, mobileClaim: notify.SMS}[c.Claims[0].URI]
	for _, known := range channels {
		if !slices.Contains(open, known.way) || c.plan == usernamePlan && known.way != typed {
			continue
		}
		value := "***"
		if known.way == typed {
			value = typed.Mask(c.Claims[0].Value)
		}
		all = append(all, channel{known.id, known.name, value, len(all) == 0})
	}
	return all
}

// showChannels answers the beginning of a flow.
func showChannels(t *Transport, c *call, v flow.View) (*said, *web.ProblemError) {
	if v.Prompt.Step != whoStep && v.Prompt.Step != nameStep {
		return nil, errUnsupported
	}
	ways := c.channelsOf(v.Prompt.Channels)
	if len(ways) == 0 {
		return nil, errNoChannel
	}
	info := channelInfo{RecoveryCode: codeFor(v.Flow, c.plan, toSend, v.Stage), Channels: ways}
	if p := v.Prompt.Captcha; p != nil {
		info.Captcha = &captcha{p.Kind, p.SiteKey, p.Script}
	}
	by := recoveryType{Mode: "recoverWithNotifications", ChannelInfo: info}
	if c.plan == usernamePlan {
		by.Links = []link{t.linkTo("next", recoverUsername)}
	} else {
		by.FlowConfirmationCode = codeFor(v.Flow, c.plan, anyOfFlow, 0)
		by.Links = []link{t.linkTo("next", recoverPassword)}
	}
	return &said{http.StatusOK, []recoveryType{by}}, nil
}

// showSent answers after a code was to be sent, or sent once more.
func showSent(t *Transport, c *call, v flow.View) (*said, *web.ProblemError) {
	sent := v.Prompt.Step == codeStep
	if sent && c.path == resendPassword {
		sent = slices.ContainsFunc(v.Prompt.Messages, func(m flow.Message) bool { return m.ID == "code.resent" })
	}
	if !sent {
		return showUnsent(t, c, v)
	}
	way := notify.Email
	if slices.Contains(v.Prompt.Channels, notify.SMS) {
		way = notify.SMS
	}
	return &said{http.StatusAccepted, notified{
		Code: "PWR-02002", Message: "A message was sent, if there is somebody to send it to.",
		FlowConfirmationCode: codeFor(v.Flow, c.plan, anyOfFlow, 0), NotificationChannel: channelName(way),
		ResendCode: codeFor(v.Flow, c.plan, toResend, v.Stage),
		Links:      []link{t.linkTo("next", confirmPassword), t.linkTo("resend", resendPassword)},
	}}, nil
}

// showUnsent answers when no message was sent, whoever it was for.
func showUnsent(_ *Transport, c *call, v flow.View) (*said, *web.ProblemError) {
	for _, m := range v.Prompt.Messages {
		if wait := waitOf(m); wait > 0 {
			later := *errTooMany
			later.RetryAfter = wait
			return nil, &later
		}
	}
	if slices.ContainsFunc(v.Prompt.Fields, func(f flow.Field) bool { return f.Problem.ID != "" }) {
		return nil, errRequest.Saying("the value of the claim is none")
	}
	return nil, c.bad
}

// waitOf is how long a message says that there is no room for another one; zero for any other message.
func waitOf(m flow.Message) time.Duration {
	for param, unit := range map[string]time.Duration{"seconds": time.Second, "minutes": time.Minute} {
		if n, err := strconv.Atoi(m.Params[param]); err == nil {
			return max(time.Duration(n)*unit, time.Second)
		}
	}
	return 0
}

// showConfirmed answers after a code was judged, or a link.
func showConfirmed(t *Transport, c *call, v flow.View) (*said, *web.ProblemError) {
	byLink := c.OTP == ""
	if v.Prompt.Step != passwordStep || byLink && !named(v.Prompt) {
		return nil, errWrongCode
	}
	answer := confirmed{ResetCode: codeFor(v.Flow, c.plan, toPassword, v.Stage), Links: []link{t.linkTo("next", resetPassword)}}
	if byLink {
		answer.FlowConfirmationCode = codeFor(v.Flow, c.plan, anyOfFlow, 0)
	}
	return &said{http.StatusOK, answer}, nil
}

// named reports whether a prompt says whose password it asks for: as it does for the holder of a link that is good.
func named(p flow.Prompt) bool {
	return slices.ContainsFunc(p.Fields, func(f flow.Field) bool { return f.Name == "username" && f.Value != "" })
}

// showRefused answers when a password will not do, or the proof is good no more.
func showRefused(t *Transport, c *call, v flow.View) (*said, *web.ProblemError) {
	if v.Prompt.Step != passwordStep {
		return nil, errWrongCode
	}
	for _, f := range v.Prompt.Fields {
		if f.Problem.ID == "" {
			continue
		}
		why := errPasswordRefused
		if f.Problem.ID == "password.policy.used_before" {
			why = errPasswordUsed
		}
		return &said{why.Status, retry{
			Code: why.Code, Message: why.Message, Description: t.words(c.r, v.Locales, f.Problem), Trace: web.NewCorrelationID(),
			ResetCode: codeFor(v.Flow, c.plan, toPassword, v.Stage), Links: []link{t.linkTo("next", resetPassword)},
		}}, nil
	}
	return nil, errWrongCode
}

// tellReset answers when the password was set.
func tellReset(*call) *said {
	return &said{http.StatusOK, completed{"PWR-02005", "The password was set."}}
}

// tellName answers when the user name was sent.
func tellName(c *call) *said {
	return &said{http.StatusAccepted, notified{
		Code: "UNR-02001", Message: "A message was sent, if there is somebody to send it to.", NotificationChannel: channelName(channelOf(c.ChannelID)),
	}}
}
