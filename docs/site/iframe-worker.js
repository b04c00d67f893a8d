// Search on pages opened from a disk: browsers run no worker of a file:// page, so its script
// is run in a hidden frame. Served pages keep the browser's own workers.
class FrameWorker extends EventTarget {
  #frame = document.createElement("iframe")
  #ready

  constructor(url) {
    super()
    this.#ready = new Promise((resolve) => {
      this.#frame.addEventListener("load", () => resolve(this.#begin(url)), { once: true })
    })
    this.#frame.hidden = true
    this.#frame.srcdoc = "<!doctype html>"
    document.body.append(this.#frame)
  }

  #load(url) {
    return new Promise((resolve, reject) => {
      const script = this.#frame.contentDocument.createElement("script")
      script.onload = resolve
      script.onerror = () => reject(new Error(`could not be read: ${url}`))
      script.src = url
      this.#frame.contentDocument.head.append(script)
    })
  }

  #begin(url) {
    const inside = this.#frame.contentWindow
    inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
    inside.importScripts = (...urls) =>
      urls.reduce((before, next) => before.then(() => this.#load(next)), Promise.resolve())
    return this.#load(url)
  }

  postMessage(data) {
    this.#ready.then(() =>
      this.#frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })))
  }

  terminate() {
    this.#frame.remove()
  }
}

if (location.protocol === "file:") window.Worker = FrameWorker
