for (const button of document.querySelectorAll('th button')) button.onclick = () => {
  const head = button.parentNode, row = head.parentNode, body = row.closest('table').tBodies[0];
  const place = [...row.children].indexOf(head), down = head.getAttribute('aria-sort') === 'ascending';
  for (const other of row.children) other.removeAttribute('aria-sort');
  head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
  const key = line => line.children[place].dataset.key ?? line.children[place].textContent;
  const order = (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === '' || y === '') return (x === '') - (y === '');  // empty cells stay last
    const difference = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
    return down ? -difference : difference;
  };
  body.append(...[...body.rows].sort(order));
};
