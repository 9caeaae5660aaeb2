import { nextStepOf } from "../shared/broker/next-steps.js";
import { Problem } from "../shared/broker/problems.js";
import { post } from "./operator-api.js";

const form = /** @type {HTMLFormElement} */ (document.getElementById("sign-in"));
const token = /** @type {HTMLInputElement} */ (document.getElementById("token"));
const wrong = /** @type {HTMLElement} */ (document.getElementById("wrong"));
const button = /** @type {HTMLButtonElement} */ (form.querySelector("button"));

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void signIn();
});

async function signIn() {
  button.disabled = true;
  wrong.textContent = "";
  try {
    await post("/operator/api/sign-in", { token: token.value.trim() });
    location.reload();
  } catch (error) {
    wrong.textContent = inWords(Problem.fromFailure(error));
    token.toggleAttribute("aria-invalid", true);
    button.disabled = false;
    token.focus();
    token.select();
  }
}

/** @param {Problem} problem */
function inWords(problem) {
  if (problem.name === "unauthenticated") return "That is not the token.";
  if (problem.name === "rate-limited") return `Too many wrong tokens from here. ${nextStepOf(problem)}`;
  return `${problem.title}. ${problem.detail}`;
}
