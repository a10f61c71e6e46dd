# Built-in functions that are written in jq. Names with `!` are natives no program can name.
def map(f): [.[] | f];
def select(f): if f then . else !none end;
def not: if . then false else true end;
def add(f): [f] | add;
def map_values(f): .[] |= f;
def in(container): . as $key | container | has($key);
def with_entries(f): to_entries | [.[] | f] | from_entries;

def recurse: ..;
def recurse(f): def next: ., (f | next); next;
def recurse(f; condition): recurse(f | if condition then . else !none end);
def while(condition; f): def next: if condition then ., (f | next) else !none end; next;
def until(condition; f): def next: if condition then . else f | next end; next;
def repeat(f): def next: f, next; next;
def range($end): range(0; $end; 1);
def range($start; $end): range($start; $end; 1);
def walk(f):
  def visit:
    if type == "array" then [.[] | visit]
    elif type == "object" then .[] |= visit
    else . end | f;
  visit;

def min_by(f): !min_by([.[] | [f]]);
def max_by(f): !max_by([.[] | [f]]);
def sort_by(f): !sort_by([.[] | [f]]);
def group_by(f): !group_by([.[] | [f]]);
def unique_by(f): !unique_by([.[] | [f]]);

def arrays: if type == "array" then . else !none end;
def objects: if type == "object" then . else !none end;
def iterables: if type == "array" or type == "object" then . else !none end;
def scalars: if type == "array" or type == "object" then !none else . end;
def booleans: if type == "boolean" then . else !none end;
def numbers: if type == "number" then . else !none end;
def strings: if type == "string" then . else !none end;
def nulls: if type == "null" then . else !none end;
def values: if type == "null" then !none else . end;
def finites: if isfinite then . else !none end;
def normals: if isnormal then . else !none end;

def first: .[0];
def last: .[-1];
def nth($n): .[$n];
def first(f): !first(f);
def last(f): !last_of(f);
def limit($n; f):
  if $n < 0 then error("limit doesn't support negative count") else !limit($n; f) end;
def skip($n; f):
  if $n < 0 then error("skip doesn't support negative count") else !skip($n; f) end;
def nth($n; f):
  if $n < 0 then error("nth doesn't support negative index") else !first(!skip($n; f)) end;
def combinations:
  if length == 0 then [] else .[0][] as $head | .[1:] | combinations | [$head] + . end;
def combinations(n): [limit(n; repeat(.))] | combinations;

def isempty(f): !first((f | false), true);
def any(f; condition): isempty(f | if condition then . else !none end) | not;
def any(condition): any(.[]; condition);
def any: any(.[]; .);
def all(f; condition): isempty(f | if condition then !none else . end);
def all(condition): all(.[]; condition);
def all: all(.[]; .);

def del(f): delpaths([path(f)]);
def paths: path(..) | if . == [] then !none else . end;
def paths(f): path(.. | if f then . else !none end) | if . == [] then !none else . end;
def pick(f): . as $whole | reduce path(f) as $path (null; setpath($path; $whole | getpath($path)));

def tostream: !tostream;
def truncate_stream(f):
  . as $depth | null | f
  | if .[0] | length > $depth then .[0] |= .[$depth:] else !none end;
def fromstream(f):
  foreach f as $event ({}; !stream_step($event); if .done then .value else !none end);

def todateiso8601: strftime("%Y-%m-%dT%H:%M:%SZ");
def fromdateiso8601: strptime("%Y-%m-%dT%H:%M:%S%z") | mktime;
def todate: todateiso8601;
def fromdate: fromdateiso8601;

def test($regex): !test($regex; null);
def test($regex; $flags): !test($regex; $flags);
def match($regex): !matches($regex; null);
def match($regex; $flags): !matches($regex; $flags);
def capture($regex): !matches($regex; null) | !captures;
def capture($regex; $flags): !matches($regex; $flags) | !captures;
def scan($regex): !scan($regex; null);
def scan($regex; $flags): !scan($regex; $flags);
def splits($regex): !split($regex; null);
def splits($regex; $flags): !split($regex; $flags);
def split($regex; $flags): [!split($regex; $flags)];
def sub($regex; text): !sub($regex; text; null);
def sub($regex; text; $flags): !sub($regex; text; $flags);
def gsub($regex; text): !sub($regex; text; "g");
def gsub($regex; text; $flags): !sub($regex; text; $flags + "g");

def INDEX(rows; key): reduce rows as $row ({}; .[$row | key | tostring] = $row);
def INDEX(key): INDEX(.[]; key);
def JOIN($index; key): [.[] | [., $index[key]]];
def JOIN($index; rows; key): rows | [., $index[key]];
def JOIN($index; rows; key; join): rows | [., $index[key]] | join;
def IN(values): any(values == .; .);
def IN(source; values): any(source == values; .);
