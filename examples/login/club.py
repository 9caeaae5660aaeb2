"""A club that signs its members in, and gives each a token by which the broker knows them."""

import os
import secrets
import time

from flask import Flask, Response, abort, redirect, request, send_from_directory, session
from joserfc import jwt
from joserfc.jwk import ECKey
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.wrappers import Response as Answer

TOKEN_SECONDS = 300

app = Flask(__name__)
app.secret_key = secrets.token_bytes(32)
app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
key = ECKey.generate_key("P-256", {"alg": "ES256", "use": "sig"}, auto_kid=True)
passwords = {"ada": generate_password_hash(os.environ["PASSWORD"])}


@app.get("/")
def page() -> Response:
    return send_from_directory(app.root_path, "index.html")


@app.post("/login")
def sign_in() -> Answer:
    name = request.form["name"]
    if name not in passwords or not check_password_hash(passwords[name], request.form["password"]):
        abort(403)
    session["member"] = name
    return redirect("/")


@app.get("/avatar-token")
def avatar_token() -> str:
    """The page asks for it, and gives it to the broker."""
    if "member" not in session:
        abort(401)
    now = int(time.time())
    claims = {"iss": "club", "aud": "avatar", "sub": session["member"], "iat": now}
    return jwt.encode({"alg": "ES256", "kid": key.kid}, {**claims, "exp": now + TOKEN_SECONDS}, key)


@app.get("/keys")
def keys() -> dict[str, object]:
    """The broker asks for them, and checks the token by them."""
    return {"keys": [key.as_dict(private=False)]}
