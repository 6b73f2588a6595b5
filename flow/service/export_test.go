package service

import "time"

// ReadAnswer reports what is read of an answer: its status, and where it leads.
func ReadAnswer(c Endpoint, status int, body []byte) (said, leadsTo string, err error) {
	e, err := c.open(time.Now)
	if err != nil {
		return "", "", err
	}
	a, err := e.read(status, body)
	if err != nil {
		return "", "", err
	}
	if a.ActionStatus == incomplete {
		leadsTo = a.Operations[0].URL
	}
	return a.ActionStatus, leadsTo, nil
}
