/** One call of Kaltura's Control API, as its documentation makes it: `fetch`. */
const { AVATAR_BASE_URL } = process.env;

export async function kaltura(path, authorization, body) {
  const answer = await fetch(`${AVATAR_BASE_URL}/${path}`, {
    method: "POST",
    headers: { Authorization: authorization, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`Kaltura answered ${answer.status}`);
  return answer.json();
}

export function createSession() {
  const body = { visualConfig: { avatarId: process.env.AVATAR_ID } };
  return kaltura("create", `KS ${process.env.AVATAR_KS}`, body);
}
