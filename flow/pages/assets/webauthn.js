// Asks the browser's authenticators for what the page wants (the element "webauthn"), and sends the answer with the form. A browser
// has one request at a time: the one in the username field is aborted before that of the button, and made anew when that fails.
(() => {
  "use strict";
  const part = document.getElementById("webauthn");
  if (!part) return;
  const form = part.closest("form");
  const { ceremony, options, action, decline } = part.dataset;
  const conditional = "conditional" in part.dataset;
  const button = part.dataset.button ? document.getElementById(part.dataset.button) : null;
  const problems = ["webauthn_failed", "webauthn_unsupported"].map((id) => document.getElementById(id));
  const show = (id) => problems.forEach((p) => { if (p) p.hidden = p.id !== id; });

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => {
    let binary = "";
    for (const byte of new Uint8Array(buffer)) binary += String.fromCharCode(byte);
    return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };
  const request = () => {
    const wanted = JSON.parse(options);
    wanted.challenge = bytes(wanted.challenge);
    if (wanted.user) wanted.user.id = bytes(wanted.user.id);
    for (const list of [wanted.allowCredentials, wanted.excludeCredentials]) {
      for (const key of list || []) key.id = bytes(key.id);
    }
    return wanted;
  };
  const answer = (credential) => {
    const { response } = credential;
    const made = { clientDataJSON: text(response.clientDataJSON) };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (response[name]) made[name] = text(response[name]);
    }
    if (response.getTransports) made.transports = response.getTransports();
    const { credProps } = credential.getClientExtensionResults();
    return JSON.stringify({
      id: credential.id, rawId: text(credential.rawId), type: credential.type, response: made,
      clientExtensionResults: credProps ? { credProps } : {},
    });
  };
  const send = (name, value) => {
    for (const field of form.querySelectorAll("input[type=password]")) field.disabled = true;
    form.elements.credential.value = value;
    const chosen = document.createElement("input");
    chosen.type = "hidden";
    chosen.name = "action";
    chosen.value = name;
    form.append(chosen);
    form.submit();
  };

  let controller = null;
  let running = Promise.resolve();
  const ask = async (mediation) => {
    if (controller) controller.abort();
    await running.catch(() => {});
    controller = new AbortController();
    const wanted = { publicKey: request(), signal: controller.signal };
    if (mediation) wanted.mediation = mediation;
    running = navigator.credentials[ceremony](wanted);
    const credential = await running;
    controller = null;
    return credential;
  };
  const patience = 3000; // how long anybody waits for a passkey that is made without them
  const inPassing = async () => {
    const limit = decline ? setTimeout(() => controller?.abort(), patience) : 0;
    try {
      if (ceremony === "get" && !(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
      send(action, answer(await ask("conditional")));
    } catch (problem) {
      if (decline) send(decline, "");
    } finally {
      clearTimeout(limit);
    }
  };

  if (!window.PublicKeyCredential) {
    if (decline) send(decline, "");
    else if (!conditional) show("webauthn_unsupported");
    if (button) button.addEventListener("click", (event) => { event.preventDefault(); show("webauthn_unsupported"); });
    return;
  }
  if (button) {
    button.addEventListener("click", async (event) => {
      event.preventDefault();
      show("");
      button.disabled = true;
      try {
        send(action, answer(await ask()));
      } catch (problem) {
        button.disabled = false;
        show("webauthn_failed");
        if (conditional) inPassing();
      }
    });
  }
  const signal = (name, document) => {
    if (document && PublicKeyCredential[name]) PublicKeyCredential[name](JSON.parse(document)).catch(() => {});
  };
  signal("signalUnknownCredential", part.dataset.unknown);
  signal("signalAllAcceptedCredentials", part.dataset.accepted);
  if (PublicKeyCredential.getClientCapabilities) {
    PublicKeyCredential.getClientCapabilities().then((can) => {
      form.elements.capabilities.value = Object.keys(can).filter((name) => can[name] === true && name === "conditionalCreate").join(" ");
    }).catch(() => {});
  }
  if (conditional) inPassing();
})();

// Waits for what happens elsewhere (the element "poll"), and goes on then.
(() => {
  "use strict";
  const part = document.getElementById("poll");
  if (!part) return;
  const look = async () => {
    try {
      const answer = await fetch(part.dataset.url, { cache: "no-store" });
      if (answer.ok && (await answer.json()).status === "COMPLETED") {
        document.getElementById(part.dataset.action).click();
        return;
      }
    } catch (problem) { /* the network is away: it may come back */ }
    setTimeout(look, 2000);
  };
  setTimeout(look, 2000);
})();
