// Package web holds what every HTTP door of Signet does the same way: where the site lives (Site), which cookies it reads,
// whom a request comes from, how a form is read once and strictly (Form), and the headers of pages (Policy) and of JSON
// answers. It knows no protocol and stores nothing.
package web
