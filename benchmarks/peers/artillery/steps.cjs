// What Artillery leaves to custom functions (https://www.artillery.io/docs/reference/extension-apis).
const { randomBytes } = require('node:crypto');

// The engine drops messages that no `capture` waits for: this reads them, and counts them under Artillery's own name.
function listen(context, events, done) {
  const data = randomBytes(640).toString('base64');
  context.vars.frame = JSON.stringify({ type: 'audio_chunk', data });
  context.ws.on('message', () => events.emit('counter', 'websocket.messages_received', 1));
  done();
}

function beginConversation(context, events, done) {
  context.vars.messages = [];
  done();
}

function addMessage(request, context, events, done) {
  const { messages } = context.vars;
  messages.push({ role: 'user', content: `message ${messages.length / 2}` });
  request.json = { messages };
  done();
}

function addReply(context, events, done) {
  context.vars.messages.push({ role: 'assistant', content: context.vars.reply });
  done();
}

module.exports = { listen, beginConversation, addMessage, addReply };
