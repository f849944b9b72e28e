// Everything is relative to this page, so the plugin works under any address.
const api = new URL("../api/peak-table/", document.baseURI);
const login = new URL("../api/auth/login", document.baseURI);
const $ = (id) => document.getElementById(id);
const EXAMPLE = "500.00 1\n500.25 1000\n500.50 10\n500.75 600\n501.00 5\n"
  + "501.25 180\n501.50 2\n";
let token = null;

function say(text, failed = false) {
  $("state").textContent = text;
  $("state").classList.toggle("error", failed);
}

// The cookie of the platform is sent along; after signing in here the token
// is sent too, in case the browser keeps no cookies.
async function call(path, body, method = body ? "POST" : "GET") {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  if (body) {
    headers["content-type"] = "application/json";
  }
  const reply = await fetch(new URL(path, api), {
    method, headers, body: body && JSON.stringify(body),
  });
  const answer = await reply.json().catch(() => ({}));
  if (reply.status === 401) {
    $("sign-in").hidden = false;
  }
  if (!reply.ok) {
    const cause = answer.message ?? answer.detail ?? reply.statusText;
    throw Object.assign(new Error(`${reply.status}: ${cause}`), {
      status: reply.status,
    });
  }
  return answer;
}

function show(peaks) {
  const rows = peaks.map((peak) => {
    const row = document.createElement("tr");
    for (const value of [peak.mz, peak.intensity, peak.relative]) {
      row.insertCell().textContent = value;
    }
    return row;
  });
  $("peaks").tBodies[0].replaceChildren(...rows);
  $("peaks").hidden = false;
}

async function findNow() {
  const answer = await call("peaks", { text: $("spectrum").value });
  show(answer.peaks);
  say(`${answer.peaks.length} peaks in ${answer.points} points`);
}

async function findByJob() {
  const session = await call("jobs/sessions", { tab_id: crypto.randomUUID() });
  let job = await call("jobs", {
    definition_id: "find-peaks",
    inputs: { text: $("spectrum").value },
    session_id: session.id,
    client_request_id: crypto.randomUUID(),
  });
  while (!["completed", "failed", "cancelled"].includes(job.status)) {
    say(`Job: ${job.status}`);
    await new Promise((resume) => setTimeout(resume, 300));
    job = await call(`jobs/${job.job_id}`);
  }
  if (job.status !== "completed") {
    throw new Error(`The job ended as ${job.status}`);
  }
  const result = await call(`jobs/${job.job_id}/result`);
  show(result.rows);
  say(`${result.rows.length} peaks, found by a job`);
}

function sendLive() {
  const address = new URL("live", api);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address);
  const lines = $("spectrum").value.split("\n").filter(Boolean);
  socket.onopen = () => socket.send(lines.shift() ?? "");
  socket.onmessage = (event) => {
    const seen = JSON.parse(event.data);
    say(seen.error ?? `${seen.points} points, base peak ${seen.base_peak}`,
      Boolean(seen.error));
    if (lines.length) {
      socket.send(lines.shift());
    } else {
      socket.close();
    }
  };
  socket.onerror = () => say("The live connection was refused", true);
}

async function store() {
  const created = await call("experiments", {
    name: `Spectrum of ${new Date().toISOString()}`,
    spectrum: $("spectrum").value,
  });
  say(`Stored as experiment ${created.id}`);
  await list();
}

async function list() {
  const { experiments } = await call("experiments");
  $("experiments").replaceChildren(...experiments.map((each) => {
    const item = document.createElement("li");
    item.textContent = `${each.id}: ${each.name} (${each.status})`;
    return item;
  }));
}

async function start() {
  const me = await call("whoami");
  $("who").textContent = `${me.username} (${me.role})`;
  $("sign-in").hidden = true;
  await list();
}

const attempt = (action) => async (event) => {
  event?.preventDefault();
  try {
    await action();
  } catch (error) {
    say(error.message, true);
  }
};

$("spectrum").value = EXAMPLE;
$("search").addEventListener("submit", attempt(findNow));
$("search").elements.job.addEventListener("click", attempt(findByJob));
$("search").elements.live.addEventListener("click", attempt(sendLive));
$("search").elements.store.addEventListener("click", attempt(store));
$("sign-in").addEventListener("submit", attempt(async () => {
  const reply = await fetch(login, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(Object.fromEntries(new FormData($("sign-in")))),
  });
  const answer = await reply.json().catch(() => ({}));
  if (!reply.ok) {
    throw new Error(answer.message ?? "Signing in failed");
  }
  token = answer.access_token;
  say("");
  await start();
}));
// Whoever opens the page before signing in has done nothing wrong.
start().catch((error) => error.status === 401 || say(error.message, true));
