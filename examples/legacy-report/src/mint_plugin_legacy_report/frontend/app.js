// Everything is relative to this page, so the plugin works under any address.
const api = new URL("../api/legacy-report/", document.baseURI);
const login = new URL("../api/auth/login", document.baseURI);
const $ = (id) => document.getElementById(id);
const EXAMPLE = "100.0 12\n101.0 340\n102.0 1020\n103.0 610\n104.0 33\n";
let token = null;

function say(text, failed = false) {
  $("state").textContent = text;
  $("state").classList.toggle("error", failed);
}

// The cookie of the platform is sent along; after signing in here the token
// is sent too, in case the browser keeps no cookies.
async function call(path, body) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  if (body) {
    headers["content-type"] = "application/json";
  }
  const reply = await fetch(new URL(path, api), {
    method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body),
  });
  if (reply.status === 401) {
    $("sign-in").hidden = false;
  }
  const isJson = reply.headers.get("content-type")?.includes("json");
  const answer = isJson ? await reply.json() : await reply.text();
  if (!reply.ok) {
    const cause = answer.message ?? answer.detail ?? reply.statusText;
    throw Object.assign(new Error(`${reply.status}: ${cause}`), {
      status: reply.status,
    });
  }
  return answer;
}

const wanted = () => ({
  text: $("spectrum").value, title: $("title").value || "Spectrum",
});

async function writeNow() {
  $("report").textContent = (await call("report", wanted())).report;
  say("");
}

async function writeByJob() {
  const session = await call("jobs/sessions", { tab_id: crypto.randomUUID() });
  let job = await call("jobs", {
    definition_id: "write-report",
    inputs: wanted(),
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
  $("report").textContent = (await call(`jobs/${job.job_id}/result`)).text;
  say("Written by a job");
}

function writeByLines() {
  const address = new URL("lines", api);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address);
  $("report").textContent = "";
  socket.onopen = () => socket.send($("spectrum").value);
  socket.onmessage = (event) => {
    const line = JSON.parse(event.data);
    if (line.error) {
      say(line.error, true);
    }
    if (line.error || line.end) {
      socket.close();
      return;
    }
    $("report").textContent += `${line.name}: ${line.value}\n`;
  };
  socket.onerror = () => say("The connection was refused", true);
}

async function list() {
  const { experiments } = await call("experiments");
  $("experiments").replaceChildren(...experiments.map((each) => {
    const item = document.createElement("li");
    const open = document.createElement("button");
    open.textContent = `${each.id}: ${each.name} (${each.status})`;
    open.addEventListener("click", attempt(async () => {
      $("report").textContent = await call(`experiments/${each.id}/report`);
    }));
    item.append(open);
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
$("write").addEventListener("submit", attempt(writeNow));
$("write").elements.job.addEventListener("click", attempt(writeByJob));
$("write").elements.lines.addEventListener("click", attempt(writeByLines));
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
