// What npm's openai gets from a server: BASE and TOKEN say which, PICTURE and MASK are files.
import fs from "node:fs";
import OpenAI, { toFile } from "openai";

const { BASE, TOKEN, PICTURE, MASK } = process.env;
const client = new OpenAI({ baseURL: `${BASE}/v1`, apiKey: TOKEN });
const asked = { prompt: "a red cube", size: "64x64", seed: 7, num_inference_steps: 4 };

const models = [];
for await (const each of client.models.list()) models.push(each.id);
const made = await client.images.generate({ ...asked, n: 2 });
const linked = await client.images.generate({ ...asked, response_format: "url" });
const file = async (path) => toFile(fs.createReadStream(path), null, { type: "image/png" });
const edited = await client.images.edit({
  image: await file(PICTURE),
  mask: await file(MASK),
  prompt: "a blue ball",
  n: 1,
  seed: 7,
  num_inference_steps: 4,
});
const events = [];
for await (const each of await client.images.generate({ ...asked, stream: true })) {
  events.push(each);
}
const refused = await client.images.generate({ ...asked, size: "65x64" }).catch((error) => error);
const stranger = new OpenAI({ baseURL: `${BASE}/v1`, apiKey: "wrong" });
const turnedAway = await stranger.images.generate(asked).catch((error) => error);

console.log(
  JSON.stringify({
    models,
    model: (await client.models.retrieve("builtin")).id,
    made,
    fetched: (await fetch(linked.data[0].url)).headers.get("content-type"),
    edited,
    events,
    refused: { is: refused instanceof OpenAI.BadRequestError, param: refused.param },
    turnedAway: turnedAway instanceof OpenAI.AuthenticationError,
  }),
);
