// What npm's ollama gets from a server: BASE and TOKEN say which.
import { Ollama } from "ollama";

const { BASE, TOKEN } = process.env;
const client = new Ollama({ host: BASE, headers: { Authorization: `Bearer ${TOKEN}` } });
const asked = { model: "builtin", prompt: "a red cube", width: 64, height: 64, steps: 4 };

const made = await client.generate({ ...asked, options: { seed: 7 } });
const lines = [];
for await (const each of await client.generate({ ...asked, stream: true, options: { seed: 7 } })) {
  lines.push(each);
}
const unknown = await client.generate({ ...asked, model: "other" }).catch((error) => error);

console.log(
  JSON.stringify({
    models: (await client.list()).models.map((each) => each.name),
    can: (await client.show({ model: "builtin" })).capabilities,
    made,
    lines,
    unknown: { status: unknown.status_code, message: unknown.message },
  }),
);
