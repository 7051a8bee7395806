// Search runs in a worker, and browsers start none for pages opened from a folder. There a hidden frame is the worker.
if (location.protocol === "file:") {
  const pageOf = (script) => `<!doctype html><script>
    window.postMessage = (data) => frameElement.dispatchEvent(new MessageEvent("message", { data }));
  <\/script><script src="${script}"><\/script>`;

  class FrameWorker extends EventTarget {
    constructor(script) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.srcdoc = pageOf(new URL(script, document.baseURI));
      this.frame.addEventListener("message", ({ data }) => this.dispatchEvent(new MessageEvent("message", { data })));
      this.ready = new Promise((resolve) => this.frame.addEventListener("load", resolve, { once: true }));
      document.body.append(this.frame);
    }

    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })));
    }

    terminate() {
      this.frame.remove();
    }
  }

  // The script of the search looks for the second name to learn that it runs in a frame.
  window.Worker = window.IFrameWorker = FrameWorker;
}
