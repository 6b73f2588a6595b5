package directory

import "time"

// SessionPolicy is how long people stay signed in. In a Config the zero value of each field is its default; a value for Set
// has all of them.
type SessionPolicy struct {
	// Idle is how long a session signs in without being used; 15 minutes.
	Idle time.Duration `json:"idle"`
	// Remember is how long a remembered session signs in after the last proof, used or not; 14 days.
	Remember time.Duration `json:"remember"`
	// Max is how long any session signs in; 30 days. It is fixed when the session begins.
	Max time.Duration `json:"max"`
	// EndOnPasswordChange ends also the session in which somebody changes their password; otherwise it goes on, under a new secret.
	EndOnPasswordChange bool `json:"endOnPasswordChange,omitempty"`
}

// LockPolicy is what happens to an account after wrong guesses at one factor. In a Config the zero value of each field is
// its default; a value for Set has all of them.
type LockPolicy struct {
	// Failures is how many wrong guesses lead to a lock, each time; 5.
	Failures int64 `json:"failures"`
	// Time is how long the first lock lasts; 5 minutes. Each further one lasts Ratio times as long as the one before, up
	// to Max.
	Time time.Duration `json:"time"`
	// Ratio is 2.
	Ratio float64 `json:"ratio"`
	// Max is 24 hours.
	Max time.Duration `json:"max"`
}

// ThrottlePolicy is how much one network address may try, and how much is sent to one recipient: up to four limits each. Nil is what the field documents, in a Config and in a
// value for Set.
type ThrottlePolicy struct {
	// Password bounds attempts to sign in: 60 a minute and 1,000 a day.
	Password []Limit `json:"password,omitempty"`
	// Account bounds new accounts: 20 an hour.
	Account []Limit `json:"account,omitempty"`
	// Send bounds messages sent to people: 10 an hour.
	Send []Limit `json:"send,omitempty"`
	// Message bounds messages to one recipient, and about one account, of at most 100 each: one a minute, 5 an hour and 20 a day.
	Message []Limit `json:"message,omitempty"`
	// Flow bounds sign-ins that are begun, on each node: 60 a minute.
	Flow []Limit `json:"flow,omitempty"`
	// Off names what is not bounded at all.
	Off []Throttled `json:"off,omitempty"`
}

// Limit is how many attempts fit into a window of time.
type Limit struct {
	Count int64         `json:"count"`
	Per   time.Duration `json:"per"`
}

// PushPolicy is how people confirm sign-ins on their devices. In a Config the zero value of each field is its default; a value for
// Set has all of them.
type PushPolicy struct {
	// Devices is how many devices one person may have; 10.
	Devices int `json:"devices"`
	// PerHour is how often somebody is asked in an hour; 5.
	PerHour int `json:"perHour"`
	// Denials is after how many answers in a row that do not agree somebody is left alone for the time Pause; 3, and 15 minutes.
	Denials int           `json:"denials"`
	Pause   time.Duration `json:"pause"`
}

func (p *SessionPolicy) setDefaults() {
	setDefault(&p.Idle, 15*time.Minute)
	setDefault(&p.Remember, 14*24*time.Hour)
	setDefault(&p.Max, 30*24*time.Hour)
}

func (p *LockPolicy) setDefaults() {
	setDefault(&p.Failures, 5)
	setDefault(&p.Time, 5*time.Minute)
	setDefault(&p.Ratio, 2)
	setDefault(&p.Max, 24*time.Hour)
}

func (p *PushPolicy) setDefaults() {
	setDefault(&p.Devices, 10)
	setDefault(&p.PerHour, 5)
	setDefault(&p.Denials, 3)
	setDefault(&p.Pause, 15*time.Minute)
}

// Validate reports every field that breaks its rule as an *InvalidError, joined.
func (p PushPolicy) Validate() error {
	var v validation
	if p.Devices < 1 || p.Devices > 100 {
		v.add("devices", "must be 1 to 100")
	}
	if p.PerHour < 1 || p.PerHour > 60 {
		v.add("perHour", "must be 1 to 60")
	}
	if p.Denials < 1 || p.Denials > 10 {
		v.add("denials", "must be 1 to 10")
	}
	v.within("pause", p.Pause, time.Minute, 24*time.Hour)
	return v.err()
}

func setDefault[T comparable](field *T, value T) {
	if *field == *new(T) {
		*field = value
	}
}

// Validate reports every field that breaks its rule as an *InvalidError, joined. Nothing may be zero: policies are
// inherited whole.
func (p SessionPolicy) Validate() error {
	var v validation
	v.within("idle", p.Idle, time.Minute, 366*24*time.Hour)
	v.within("remember", p.Remember, time.Minute, 366*24*time.Hour)
	v.within("max", p.Max, time.Minute, 366*24*time.Hour)
	return v.err()
}

// Validate reports every field that breaks its rule as an *InvalidError, joined.
func (p LockPolicy) Validate() error {
	var v validation
	if p.Failures < 1 || p.Failures > 100 {
		v.add("failures", "must be 1 to 100") // NIST SP 800-63B-4 §3.2.2
	}
	if !(p.Ratio >= 1 && p.Ratio <= 100) {
		v.add("ratio", "must be 1 to 100")
	}
	v.within("time", p.Time, time.Second, 30*24*time.Hour)
	v.within("max", p.Max, p.Time, 30*24*time.Hour)
	return v.err()
}

// Validate reports every field that breaks its rule as an *InvalidError, joined.
func (p ThrottlePolicy) Validate() error {
	var v validation
	v.limits("password", p.Password)
	v.limits("account", p.Account)
	v.limits("send", p.Send)
	v.limits("flow", p.Flow)
	v.limits("message", p.Message)
	for _, l := range p.Message {
		if l.Count > maxSends {
			v.add("message", "must allow at most %d", maxSends)
		}
	}
	for _, what := range p.Off {
		if what.standard() == nil {
			v.add("off", "must name what is bounded, not %q", what)
		}
	}
	return v.err()
}

func (v *validation) within(field string, d, least, most time.Duration) {
	if d < least || d > most {
		v.add(field, "must be %v to %v", least, most)
	}
}

func (v *validation) limits(field string, limits []Limit) {
	if len(limits) > 4 {
		v.add(field, "must be at most 4 limits")
	}
	for _, l := range limits {
		if l.Count < 1 {
			v.add(field, "must allow at least one attempt")
		}
		v.within(field, l.Per, time.Second, 31*24*time.Hour)
	}
}
