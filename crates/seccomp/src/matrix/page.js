const box = document.getElementById("filter");
const shown = document.getElementById("shown");
const groups = [...document.querySelectorAll("tbody")];
const apply = () => {
  const wanted = box.value.trim().toLowerCase();
  let count = 0;
  for (const group of groups) {
    const rows = [...group.rows].slice(1);
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    const left = rows.filter((row) => !row.hidden).length;
    group.hidden = left === 0;
    count += left;
  }
  shown.textContent = count + (count === 1 ? " call" : " calls");
};
box.addEventListener("input", apply);
document.querySelector(".filter").hidden = false;
apply();
