"""A real mail server (aiosmtpd) for the mail suite. What it takes it prints, one JSON object a line; what it is told on its input it does:
`take`, `busy` (451), `refuse` (550), `hang` (takes the mail and never says so)."""

import argparse
import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    mode = "take"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.mode == "busy":
            return "451 4.3.0 come back later"
        if self.mode == "refuse":
            return "550 5.1.1 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        text = envelope.content.decode("utf-8", "replace")
        say(to=envelope.rcpt_tos, sender=envelope.mail_from, text=text, tls=session.ssl is not None, user=session.login_data)
        if self.mode == "hang":
            await asyncio.sleep(3600)
        return "250 2.0.0 taken"


def say(**what):
    print(json.dumps(what), flush=True)


def authenticate(server, session, envelope, mechanism, data):
    good = (data.login, data.password) == (b"shop@example.org", b"p:w/")
    return AuthResult(success=good, handled=False, auth_data=data.login.decode() if good else None)


async def main():
    args = argparse.ArgumentParser()
    args.add_argument("--host", default="127.0.0.1")
    args.add_argument("--port", type=int, default=0)
    args.add_argument("--tls", choices=["whole", "begun"])
    args.add_argument("--cert")
    args.add_argument("--key")
    args = args.parse_args()
    context = None
    if args.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(args.cert, args.key)
    begun = args.tls == "begun"
    handler = Handler()
    options = dict(
        hostname="mail.test",
        enable_SMTPUTF8=True,
        tls_context=context if begun else None,
        require_starttls=begun,
        authenticator=authenticate if args.tls else None,
        auth_required=bool(args.tls),
        # With TLS from the first byte aiosmtpd does not know that there is any.
        auth_require_tls=begun,
    )
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, **options), args.host, args.port, ssl=None if begun else context
    )
    say(port=server.sockets[0].getsockname()[1])
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        handler.mode = line.strip()
        say(mode=handler.mode)
    # Whoever started it is gone.


asyncio.run(main())
