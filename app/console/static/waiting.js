// Looks whether the answer is there (until then it is 202), and shows it. Without this file there is a link.
const SECONDS = 2;
async function look() {
  const answer = await fetch(location.href).catch(() => null); // the service may be away for a moment
  if (answer && answer.status !== 202) location.reload();
  else setTimeout(look, 1000 * SECONDS);
}
setTimeout(look, 1000 * SECONDS);
