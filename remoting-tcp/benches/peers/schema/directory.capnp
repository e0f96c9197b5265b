@0xd2a6f3c1b8e94075;

struct Person {
  id @0 :UInt32;
  name @1 :Text;
  email @2 :Text;
  age @3 :UInt32;
  balance @4 :Float64;
}

interface Directory {
  add @0 (a :Int32, b :Int32) -> (sum :Int32);
  getPerson @1 (id :UInt32, country :Text, detailed :Bool) -> (person :Person);
  echo @2 (data :Data) -> (data :Data);
}
