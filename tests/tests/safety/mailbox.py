"""A mail server that takes mail of one user over TLS, and keeps each as a line of JSON.

usage: mailbox.py ADDRESS PORT FOLDER tls|starttls
"""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

ADDRESS, PORT, FOLDER, SECURITY = sys.argv[1:]


class Keep:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        kept = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "headers": {name.lower(): str(value) for name, value in message.items()},
            "text": message.get_content(),
            "encrypted": session.ssl is not None,
        }
        with open(f"{FOLDER}/mails", "a", encoding="utf-8") as file:
            file.write(json.dumps(kept) + "\n")
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    known = LoginPassword(b"anna", b"correct horse")
    return AuthResult(success=data == known, handled=False)


def serve(context):
    is_starttls = SECURITY == "starttls"
    return SMTP(
        Keep(),
        hostname="mailbox.test",
        tls_context=context if is_starttls else None,
        require_starttls=is_starttls,
        authenticator=authenticate,
        auth_required=True,
        auth_require_tls=is_starttls,
    )


async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(f"{FOLDER}/server.pem", f"{FOLDER}/server-key.pem")
    outer = context if SECURITY == "tls" else None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: serve(context), ADDRESS, int(PORT), ssl=outer)
    await server.serve_forever()


asyncio.run(main())
