// Package nodes holds the tests that need several processes over one database: that keys are made once, that a code is
// redeemed once, that a refresh token has one successor, whichever node is asked.
package nodes
