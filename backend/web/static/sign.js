// Signs a release order or a contract in the browser. The private key's file is read here, used once and
// forgotten: it has no name in its form, so that it can not be sent, and nothing keeps it.
(() => {
  "use strict";
  const FILE_BYTES_MAX = 4096; // A key has 65 to 120.
  // RFC 8410, 7: what stands before the 32 bytes of an Ed25519 key in PKCS#8.
  const PKCS8 = "302e020100300506032b657004220420";

  const bytesOf = (hex) => Uint8Array.from(hex.match(/../g) || [], (pair) => parseInt(pair, 16));
  const hexOf = (bytes) => [...new Uint8Array(bytes)]
    .map((byte) => byte.toString(16).padStart(2, "0")).join("");

  // A file of `release new-key` holds 64 hexadecimal digits; a PEM file PKCS#8 in base 64.
  const pkcs8Of = (text, command) => {
    const plain = text.trim();
    if (/^[0-9a-fA-F]{64}$/.test(plain)) return bytesOf(PKCS8 + plain);
    const pem = /^-----BEGIN PRIVATE KEY-----([\sA-Za-z0-9+/=]+)-----END PRIVATE KEY-----$/.exec(plain);
    if (pem) return Uint8Array.from(atob(pem[1].replace(/\s/g, "")), (c) => c.charCodeAt(0));
    throw new Error(plain.includes("ENCRYPTED")
      ? `This key is encrypted: the page can not open it. Sign with ${command}, or paste a signed message.`
      : "This is no private key: neither 64 hexadecimal digits nor PKCS#8 in PEM.");
  };

  const canSign = async () => {
    try {
      await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
      return true;
    } catch {
      return false; // Too old a browser, or a page that came neither over HTTPS nor from here.
    }
  };

  const signedBy = async (privateKey, key) => {
    const bytes = bytesOf(key.dataset.bytes);
    const signature = await crypto.subtle.sign("Ed25519", privateKey, bytes);
    const publicKey = await crypto.subtle.importKey("raw", bytesOf(key.dataset.publicKey),
      { name: "Ed25519" }, false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", publicKey, signature, bytes) ? hexOf(signature) : null;
  };

  const sign = async (form) => {
    const picked = form.querySelector("[data-private-key]");
    const file = picked.files[0];
    if (!file) throw new Error("Choose the file of your private key.");
    if (!await canSign()) {
      throw new Error(`This browser can not sign with Ed25519 here. Sign with ${form.dataset.sign}, and paste what it prints under “Sign elsewhere”.`);
    }
    if (file.size > FILE_BYTES_MAX) throw new Error(`This is no private key: it has ${file.size} bytes.`);
    let privateKey;
    try {
      privateKey = await crypto.subtle.importKey("pkcs8", pkcs8Of(await file.text(), form.dataset.sign),
        { name: "Ed25519" }, false, ["sign"]);
    } catch (error) {
      throw error instanceof DOMException ? new Error("This is no Ed25519 private key.") : error;
    }
    picked.value = "";
    for (const key of form.querySelectorAll("[data-key-id]")) {
      const signature = await signedBy(privateKey, key);
      if (signature) {
        form.elements.key_id.value = key.dataset.keyId;
        form.elements.signature.value = signature;
        return;
      }
    }
    throw new Error("This key is none of those that sign for you now.");
  };

  const say = (form, text) => {
    const note = document.createElement("p");
    note.className = "note note-bad";
    note.textContent = text;
    form.querySelector(".form-note").replaceChildren(note);
  };

  // Another key, another signature.
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-sign]");
    if (form && event.target.matches("[data-private-key]")) form.elements.signature.value = "";
  });

  // Before anything else sees it: a form goes out only with its signature.
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-sign]");
    if (!form || form.elements.signature.value) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    sign(form).then(() => form.requestSubmit(), (error) => say(form, error.message));
  }, true);
})();
