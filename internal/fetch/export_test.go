package fetch

// MaxAge is maxAge.
var MaxAge = maxAge
