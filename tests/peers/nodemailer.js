// Hands one mail in with Debian's node-nodemailer: node nodemailer.js PORT clear|starttls|implicit FILE
"use strict";
const fs = require("fs");
const nodemailer = require("nodemailer");
const [port, how, file] = process.argv.slice(2);
const transport = nodemailer.createTransport({
  host: "127.0.0.1",
  port: Number(port),
  secure: how === "implicit",
  ignoreTLS: how === "clear",
  requireTLS: how === "starttls",
  tls: { rejectUnauthorized: false },
  auth: how === "clear" ? undefined : { user: "app1", pass: "correct horse" },
  name: "node.example",
  connectionTimeout: 20000,
  socketTimeout: 20000,
});
transport
  .sendMail({ envelope: { from: "a@sender.example", to: ["user@example.org"] }, raw: fs.readFileSync(file) })
  .then((told) => { console.log("accepted", told.accepted, told.response); })
  .catch((error) => { console.log("failed", error.message); process.exitCode = 1; });
