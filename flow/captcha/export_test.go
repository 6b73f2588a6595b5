package captcha

// Judge is how a Verifier without further wishes reads an answer.
func Judge(status int, body []byte) (bool, error) { return (&Verifier{}).judge(status, body) }
