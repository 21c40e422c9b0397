// What npm's @ai-sdk/openai-compatible gets from a server: BASE and TOKEN say which.
import fs from "node:fs";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";

const { BASE, TOKEN, PICTURE } = process.env;
const provider = createOpenAICompatible({ name: "kakusan", baseURL: `${BASE}/v1`, apiKey: TOKEN });
const model = provider.imageModel("builtin");
const own = { seed: 7, num_inference_steps: 4 };
const asked = { prompt: "a red cube", n: 1, size: "64x64", providerOptions: { kakusan: own } };

const made = await model.doGenerate(asked);
const data = new Uint8Array(fs.readFileSync(PICTURE));
const files = [{ type: "file", mediaType: "image/png", data }];
const edited = await model.doGenerate({ ...asked, size: undefined, files });
const refused = await model.doGenerate({ ...asked, size: "65x64" }).catch((error) => error);

console.log(
  JSON.stringify({
    made: made.images,
    edited: edited.images,
    refused: { status: refused.statusCode, message: refused.message, retry: refused.isRetryable },
  }),
);
