-- wrk's side of the benchmark: POSTs the forms of a file, one a line, in turn; ends with one line of JSON.
-- Called as `wrk … -s messages.lua URL -- AUTHORIZATION FILE` by bench/load.py; latencies are microseconds.
local posts, turn = {}, 0

function init(args)
  local headers = {
    ["Authorization"] = args[1],
    ["Content-Type"] = "application/x-www-form-urlencoded",
  }
  for form in io.lines(args[2]) do
    posts[#posts + 1] = wrk.format("POST", nil, headers, form)
  end
end

function request()
  turn = turn % #posts + 1
  return posts[turn]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "refused": %d, "broken": %d, "seconds": %.6f, "p50": %d, "p99": %d, "worst": %d}\n',
    summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    summary.duration / 1e6, latency:percentile(50), latency:percentile(99), latency.max
  ))
end
