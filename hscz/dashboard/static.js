// What links the static page; every callback gets these functions, then calls one of them.
const o = objects.data
const n = o.object_id.length
const degrees = (ra) => (ra + 360) % 360
const within = (v, lo, hi) => v >= Math.min(lo, hi) && v <= Math.max(lo, hi)

function selected() {
  const box = boxes[0][0], [mag, z] = sliders, z_median = o[models[0] + "_z_median"]
  const limits = (s) => s.value[0] > s.start || s.value[1] < s.end
  const by_mag = limits(mag), by_z = limits(z)
  const rows = []
  for (let i = 0; i < n; i++) {
    if (box.visible && !(within(o.ra[i], box.left, box.right) && within(o.dec[i], box.bottom, box.top))) continue
    if (by_mag && !within(o.mag_i[i], ...mag.value)) continue
    if (by_z && !within(z_median[i], ...z.value)) continue
    rows.push(i)
  }
  return rows
}

function draw(sources, plot, rows) {
  let highest = 0
  models.forEach((_, m) => {
    const z = edges[m].data.z, bins = z.length - 1, p = pdfs[m].data.p
    const mean = new Float64Array(bins + 1)
    let count = 0
    for (const i of rows) {
      if (!isFinite(p[i * bins])) continue
      count++
      for (let k = 0; k < bins; k++) mean[k] += p[i * bins + k]
    }
    for (let k = 0; k < bins; k++) mean[k] /= Math.max(count, 1)
    mean[bins] = mean[bins - 1]
    highest = Math.max(highest, ...mean)
    sources[m].data = {z: Array.from(z), p: Array.from(mean)}
  })
  plot.y_range.end = 1.08 * highest || 1
}

function update() {
  const rows = selected(), [mag, z] = sliders
  const limited = mag.value[0] > mag.start || mag.value[1] < mag.end || z.value[0] > z.start || z.value[1] < z.end
  for (const box of boxes[1])
    box.setv({left: mag.value[0], right: mag.value[1], bottom: z.value[0], top: z.value[1], visible: limited})
  note.text = `${rows.length} of ${n} objects of the sample selected`
  draw(lines, plots[0], rows)
}

function draw_box(kind, event) {
  const g = event.geometry
  if (!event.final || g.type !== "rect") return
  if (kind === 0) {
    const edge = {left: Math.min(g.x0, g.x1), right: Math.max(g.x0, g.x1)}
    for (const box of boxes[0]) box.setv({...edge, bottom: Math.min(g.y0, g.y1), top: Math.max(g.y0, g.y1), visible: true})
  } else {
    const fit = (s, a, b) => { s.value = [Math.max(s.start, Math.min(a, b)), Math.min(s.end, Math.max(a, b))] }
    fit(sliders[0], g.x0, g.x1)
    fit(sliders[1], g.y0, g.y1)
  }
  update()
}

function select_all() {
  for (const box of boxes[0]) box.visible = false
  for (const s of sliders) s.value = [s.start, s.end]
  update()
}

function click(kind, side, event) {
  const x = kind === 0 ? o.ra : o.mag_i
  const y = kind === 0 ? o.dec : o[models[side] + "_z_median"]
  const f = figures[kind][side]
  const sx = f.frame_width / (f.x_range.end - f.x_range.start), sy = f.frame_height / (f.y_range.end - f.y_range.start)
  let best = -1, nearest = 25
  for (let i = 0; i < n; i++) {
    const d = Math.hypot((x[i] - event.x) * sx, (y[i] - event.y) * sy)
    if (d <= nearest) { nearest = d; best = i }
  }
  if (best < 0) return
  rings[0].forEach((ring) => { ring.data = {x: [o.ra[best]], y: [o.dec[best]]} })
  rings[1].forEach((ring, m) => { ring.data = {x: [o.mag_i[best]], y: [o[models[m] + "_z_median"][best]]} })
  draw(one, plots[1], [best])
  plots[1].title.text = `PDFs of object ${o.object_id[best]}`
  const cell = (name) => name === "object_id" ? o[name][best] : name === "ra" ? degrees(o.ra[best]).toFixed(6) : o[name][best].toFixed(name === "dec" ? 6 : 3)
  table.text = Object.keys(o).filter((k) => k !== "index").map((k) => `<b>${k}</b> ${cell(k)}`).join(" &nbsp; ")
}

function download() {
  const names = Object.keys(o).filter((k) => k !== "index")
  const text = [names.join(","), ...selected().map((i) => names.map((k) => k === "ra" ? degrees(o.ra[i]) : o[k][i]).join(","))].join("\n") + "\n"
  const link = document.createElement("a")
  link.href = URL.createObjectURL(new Blob([text], {type: "text/csv"}))
  link.download = `${name}-selection.csv`
  link.click()
  URL.revokeObjectURL(link.href)
}
