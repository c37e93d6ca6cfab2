// A headset for tests: navigator.xr with two eyes side by side on the canvas, 90 degrees each.
(() => {
  const canvas = () => document.getElementById("view");
  const headset = window.headset = { yaw: 0, pitch: 0, layer: null, ended: 0 };
  const columns = (yaw, pitch) => {  // to the left and up, in radians
    const c = Math.cos(yaw), s = Math.sin(yaw), d = Math.cos(pitch), t = Math.sin(pitch);
    return [c, 0, -s, 0, s * t, d, c * t, 0, s * d, -t, c * d, 0, 0, 0, 0, 1];
  };
  class Session extends EventTarget {
    constructor(features) {
      super();
      this.enabledFeatures = features;
      this.renderState = {};
      this.frames = 0;
    }
    requestReferenceSpace() { return Promise.resolve({}); }
    updateRenderState(state) { Object.assign(this.renderState, state); }
    requestAnimationFrame(call) {
      requestAnimationFrame((time) => {
        this.frames += 1;
        const matrix = columns(-headset.yaw * Math.PI / 180, headset.pitch * Math.PI / 180);
        const projection = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1, -1, 0, 0, -0.1, 0];
        const views = ["left", "right"].map((eye) => ({ eye, projectionMatrix: projection, transform: { matrix } }));
        call(time, { getViewerPose: () => ({ views }) });
      });
    }
    end() { headset.ended += 1; this.dispatchEvent(new Event("end")); return Promise.resolve(); }
  }
  window.XRWebGLLayer = class {
    constructor() { this.framebuffer = null; }
    getViewport(view) {
      const half = canvas().width / 2;
      return { x: view.eye === "right" ? half : 0, y: 0, width: half, height: canvas().height };
    }
  };
  const layers = window.name === "layers";
  if (layers) {
    window.XRMediaBinding = class {
      createEquirectLayer(video, words) { return headset.layer = { video: video.id, layout: words.layout }; }
    };
  } else {
    window.XRMediaBinding = undefined;
  }
  const xr = {
    isSessionSupported: () => Promise.resolve(true),
    requestSession: () => Promise.resolve(headset.session = new Session(layers ? ["layers"] : [])),
  };
  Object.defineProperty(navigator, "xr", { value: xr, configurable: true });
  WebGL2RenderingContext.prototype.makeXRCompatible = () => Promise.resolve();
})();
