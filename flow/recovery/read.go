package recovery

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/signet-idp/signet/flow"
	"github.com/signet-idp/signet/flow/notify"
	"github.com/signet-idp/signet/internal/secret"
	"github.com/signet-idp/signet/internal/strictjson"
	"github.com/signet-idp/signet/internal/web"
	"github.com/signet-idp/signet/store/directory"
)

// request is what programs send. Each call has some of it.
type request struct {
	Claims               []claim    `json:"claims"`
	RecoveryCode         string     `json:"recoveryCode"`
	ChannelID            string     `json:"channelId"`
	ResendCode           string     `json:"resendCode"`
	ConfirmationCode     string     `json:"confirmationCode"`
	OTP                  string     `json:"otp"`
	ResetCode            string     `json:"resetCode"`
	FlowConfirmationCode string     `json:"flowConfirmationCode"`
	Password             string     `json:"password"`
	Properties           []property `json:"properties"`
}

type claim struct {
	URI   string `json:"uri"`
	Value string `json:"value"`
}

type property struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

const (
	// maxText bounds what names somebody, and every code.
	maxText = 256
	// captchaProperty is the key under which the solution of a captcha comes, whatever its service calls it.
	captchaProperty = "captchaResponse"
)

// property is the value of one of the properties; "" is none.
func (s *request) property(key string) string {
	for _, p := range s.Properties {
		if p.Key == key {
			return p.Value
		}
	}
	return ""
}

// The claims by which somebody can be named.
const (
	claims        = "http://wso2.org/claims/"
	usernameClaim = claims + "username"
	emailClaim    = claims + "emailaddress"
	mobileClaim   = claims + "mobile"
)

// read is the Interaction that a request asks for.
func (c *call) read(w http.ResponseWriter, r *http.Request) (directory.Interaction, *web.ProblemError) {
	body, problem := readBody(w, r)
	if problem == nil {
		c.request, problem = parse(body)
	}
	if problem != nil {
		return directory.Interaction{}, problem
	}
	if c.step == "" {
		return c.begin()
	}
	code := c.codeSent()
	flowSecret, ok := flowOf(code)
	switch {
	case code == "":
		return directory.Interaction{}, errRequest.Saying("the code of the call is missing")
	case ok:
		in := c.interaction(flowSecret)
		in.Native.Answer = append([]byte(c.path+"\n"), body...)
		return in, nil
	case c.path == confirmPassword && c.OTP == "": // that of the link in a mail
		in := c.interaction(secret.New())
		in.Link = code
		return in, nil
	}
	return directory.Interaction{}, c.bad
}

// interaction is that of the flow with a secret.
func (c *call) interaction(flowSecret secret.Text) directory.Interaction {
	return directory.Interaction{
		ID: flowSecret.Hash(), Purpose: directory.ManageAccount, Plan: c.plan,
		Native: &directory.Native{Program: flow.RecoveryProgram, Flow: flowSecret},
	}
}

// codeSent is the code by which a call names its flow.
func (c *call) codeSent() string {
	switch c.path {
	case resendPassword:
		return c.ResendCode
	case confirmPassword:
		return c.ConfirmationCode
	case resetPassword:
		return c.ResetCode
	}
	return c.RecoveryCode
}

// begin is the Interaction of a flow about whom a claim names. Nobody is looked for here.
func (c *call) begin() (directory.Interaction, *web.ProblemError) {
	if len(c.Claims) != 1 || c.Claims[0].Value == "" {
		return directory.Interaction{}, errRequest.Saying("claims must have one claim with a value")
	}
	in, named := c.interaction(secret.New()), c.Claims[0]
	in.Hint = named.Value
	switch {
	case named.URI == usernameClaim && c.plan == passwordPlan:
	case named.URI == emailClaim:
		in.HintBy = directory.ByEmail
	case named.URI == mobileClaim:
		in.HintBy = directory.ByPhone
	case c.plan == usernamePlan:
		return directory.Interaction{}, errRequest.Saying("the claim must be " + emailClaim + " or " + mobileClaim)
	default:
		return directory.Interaction{}, errRequest.Saying("the claim must be " + usernameClaim + ", " + emailClaim + " or " + mobileClaim)
	}
	if in.HintBy == directory.ByEmail && !strings.Contains(named.Value, "@") || in.HintBy == directory.ByPhone && strings.Contains(named.Value, "@") {
		return directory.Interaction{}, errRequest.Saying("the value is none of the claim")
	}
	return in, nil
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *web.ProblemError) {
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return nil, errRequest.UnsupportedMediaType("the body must be application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, web.MaxFormBytes))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		large := errRequest.Saying("the body is too large")
		large.Status = http.StatusRequestEntityTooLarge
		return nil, large
	}
	if err != nil {
		return nil, errRequest.Saying("the body could not be read")
	}
	return body, nil
}

// parse reads a body.
func parse(body []byte) (sent request, problem *web.ProblemError) {
	if err := strictjson.Unmarshal(body, &sent, strictjson.Depth(4)); err != nil {
		return request{}, errRequest.Saying("the body is not well-formed")
	}
	texts := []string{sent.RecoveryCode, sent.ChannelID, sent.ResendCode, sent.ConfirmationCode, sent.OTP, sent.ResetCode, sent.FlowConfirmationCode}
	for _, c := range sent.Claims {
		texts = append(texts, c.URI, c.Value)
	}
	if slices.ContainsFunc(texts, func(text string) bool { return len(text) > maxText }) {
		return request{}, errRequest.Saying("a value is too long")
	}
	return sent, nil
}

// Read implements [flow.Program].
func (t *Transport) Read(v flow.View, answer []byte) (flow.Reply, error) {
	path, body, _ := strings.Cut(string(answer), "\n")
	i := slices.IndexFunc(operations, func(o *operation) bool { return o.path == path })
	sent, problem := parse([]byte(body))
	if i < 0 || problem != nil {
		return flow.Reply{}, bad("invalid_request", "the answer is not well-formed")
	}
	c := &call{operation: operations[i], request: sent}
	if v.Plan != c.plan || v.Prompt.Step != c.step || !isFor(c.codeSent(), c.plan, c.code, v.Stage) {
		return flow.Reply{}, bad(spentCode, "")
	}
	reply := flow.Reply{Option: present(v), Fields: url.Values{}}
	return reply, c.fill(&reply, v.Prompt)
}

// fill answers what a step asks.
func (c *call) fill(reply *flow.Reply, p flow.Prompt) error {
	switch c.path {
	case recoverPassword, recoverUsername:
		return c.send(reply, p)
	case resendPassword:
		reply.Action = "resend"
	case confirmPassword:
		if c.OTP == "" {
			return bad("invalid_request", "the otp is missing")
		}
		reply.Fields.Set("otp", c.OTP)
	case resetPassword:
		if c.FlowConfirmationCode != "" && (!isFor(c.FlowConfirmationCode, c.plan, anyOfFlow, 0) || c.FlowConfirmationCode[:secretLen] != c.ResetCode[:secretLen]) {
			return bad(confirmedCode, "")
		}
		if c.Password == "" {
			return bad(passwordCode, "")
		}
		reply.Fields.Set("new_password", c.Password)
	}
	return nil
}

// send has the message sent by the channel that was chosen, to whom was named at the beginning.
func (c *call) send(reply *flow.Reply, p flow.Prompt) error {
	way := channelOf(c.ChannelID)
	if !slices.Contains(p.Channels, way) {
		return bad(channelCode, "")
	}
	for _, f := range p.Fields {
		switch {
		case f.Type == flow.CaptchaField:
			solution := c.property(captchaProperty)
			if solution == "" && f.Required {
				return bad("invalid_request", "the property "+captchaProperty+" is missing")
			}
			reply.Fields.Set(f.Name, solution)
		case f.Name == "username" || f.Name == "email":
			reply.Fields.Set(f.Name, f.Value)
		}
	}
	if c.step == nameStep && (way == notify.Email) != strings.Contains(reply.Fields.Get("email"), "@") {
		return bad(channelCode, "")
	}
	if way == notify.SMS && len(p.Channels) > 1 && c.step == whoStep {
		reply.Action = "sms"
	}
	return nil
}

// present is the option by which the step is being done.
func present(v flow.View) string {
	for _, c := range v.Choices {
		if c.Begun || c.Prompt != nil && c.Prompt.Step == v.Prompt.Step {
			return c.Option
		}
	}
	return ""
}

func bad(code, problem string) *flow.AnswerError {
	return &flow.AnswerError{Code: code, Problem: problem}
}
