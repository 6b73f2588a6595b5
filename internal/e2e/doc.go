// Package e2e holds no code: its tests drive Chromium through whole journeys over a real provider, where only a browser can
// tell what happens, as with Content-Security-Policy, SameSite cookies, tabs, the back button and forms without JavaScript.
//
// All journeys share one browser and run in browser contexts of their own. Every page on the way is looked over for what a screen reader
// needs, and a journey fails when the console of any of its tabs has an error or a violated policy.
package e2e
