// Plays the sweeps of a recorded graph. The page holds everything: the picture, in which node i has
// the class "ni" and edge j the class "ej", and the scenes, as items of lists with their numbers.
(() => {
  "use strict";
  const SECONDS = 2.5; // a scene, while it plays by itself

  const made = (name, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };

  const open = (stage) => {
    const picture = stage.querySelector(".dl-stage-picture");
    const color = stage.dataset.gradientColor;
    const redText = (part) => [...part.querySelectorAll(`text[fill="${color}"]`)].pop();
    const parts = (kind, letter) => {
      const found = [];
      for (const part of picture.querySelectorAll(`g.${kind}`)) {
        const name = [...part.classList].find((c) => new RegExp(`^${letter}\\d+$`).test(c));
        found[name.slice(1)] = { part, text: redText(part) };
      }
      return found;
    };
    const nodes = parts("node", "n");
    const edges = parts("edge", "e");
    const sweeps = {};
    for (const list of stage.querySelectorAll("ol[data-sweep]")) {
      sweeps[list.dataset.sweep] = {
        title: list.dataset.title,
        scenes: [...list.children].map((item) => ({ item, ...JSON.parse(item.dataset.scene) })),
      };
    }

    let sweep = "gradients";
    let now = sweeps[sweep].scenes.length - 1;
    let timer = null;

    const chooseSweep = made("select", { ariaLabel: "What to play" });
    for (const name in sweeps) chooseSweep.append(new Option(sweeps[name].title, name));
    const chooseScene = made("select", { ariaLabel: "Jump to a step" });
    const button = (text, act) => {
      const it = made("button", { type: "button", textContent: text });
      it.addEventListener("click", act);
      return it;
    };
    const first = button("Start", () => go(0));
    const back = button("Back", () => go(now - 1));
    const next = button("Next", () => go(now + 1));
    const start = button("Play", () => (timer ? stop() : run()));
    const words = made("div", { className: "dl-stage-words" });
    words.setAttribute("aria-live", "polite");
    const controls = made("div", { className: "dl-stage-controls" });
    controls.setAttribute("role", "group");
    controls.setAttribute("aria-label", "Play the sweeps of this graph");
    controls.append(chooseSweep, first, back, start, next, chooseScene);

    const stop = () => {
      clearInterval(timer);
      timer = null;
      start.textContent = "Play";
    };
    const run = () => {
      if (now === sweeps[sweep].scenes.length - 1) show(0);
      start.textContent = "Pause";
      timer = setInterval(() => {
        show(now + 1);
        if (now === sweeps[sweep].scenes.length - 1) stop();
      }, SECONDS * 1000);
    };
    const go = (scene) => {
      stop();
      show(scene);
    };

    // The picture after the scenes 0, ..., now of the sweep.
    const show = (scene) => {
      const { scenes, title } = sweeps[sweep];
      now = Math.max(0, Math.min(scene, scenes.length - 1));
      for (const { part, text } of nodes) {
        part.classList.remove("n-later", "n-now", "n-freed");
        if (text) text.style.visibility = "hidden";
      }
      for (const { part, text } of edges) {
        part.classList.remove("e-now");
        if (text) text.style.visibility = "hidden";
      }
      const write = (text, words) => {
        if (!text) return;
        text.textContent = words;
        text.style.visibility = "visible";
      };
      if (sweep !== "gradients") {
        for (const { node } of scenes.slice(now + 1)) nodes[node].part.classList.add("n-later");
      }
      scenes.slice(0, now + 1).forEach((it, i) => {
        if (sweep === "gradients") write(nodes[it.node].text, `gradient ${it.text}`);
        if (sweep === "tangents") write(nodes[it.node].text, `tangent ${it.text}`);
        for (const sent of it.sent) {
          write(edges[sent.edge].text, sent.text);
          write(nodes[sent.node].text, `gradient ${sent.totalText}`);
          if (i === now) edges[sent.edge].part.classList.add("e-now");
        }
        if (it.frees && i < now) nodes[it.node].part.classList.add("n-freed");
      });
      nodes[scenes[now].node].part.classList.add("n-now");
      words.replaceChildren(
        made("strong", { textContent: `${title}, step ${now + 1} of ${scenes.length}: ` }),
        ...[...scenes[now].item.childNodes].map((child) => child.cloneNode(true)),
      );
      const kept = document.activeElement;
      first.disabled = back.disabled = now === 0;
      next.disabled = now === scenes.length - 1;
      if (kept && kept.disabled) start.focus(); // or the keyboard would lose its place
      chooseScene.value = now;
    };
    const choose = (name) => {
      sweep = name;
      chooseSweep.value = name;
      chooseScene.replaceChildren(
        ...sweeps[name].scenes.map(
          ({ item }, i) => new Option(`${i + 1}. ${item.querySelector("code").textContent}`, i),
        ),
      );
    };

    chooseSweep.addEventListener("change", () => {
      choose(chooseSweep.value);
      go(0);
    });
    chooseScene.addEventListener("change", () => go(Number(chooseScene.value)));
    controls.addEventListener("keydown", (event) => {
      const to = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: Infinity }[event.key];
      if (to === undefined || event.target.tagName === "SELECT") return;
      event.preventDefault();
      go(to);
    });
    nodes.forEach(({ part }, node) =>
      part.addEventListener("click", () => {
        const scene = sweeps[sweep].scenes.findLastIndex((it) => it.node === node);
        if (scene >= 0) go(scene);
      }),
    );

    picture.after(controls, words);
    choose(sweep);
    show(now);
    stage.dataset.ready = "";
  };

  for (const stage of document.querySelectorAll(".dl-stage:not([data-ready])")) open(stage);
})();
