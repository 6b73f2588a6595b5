package notify

// EncryptPush is for the example of RFC 8291.
var EncryptPush = encryptPush
