package dev.sparkchaos.training;

import java.util.ArrayList;
import java.util.List;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.Optional;
import org.apache.spark.api.java.function.VoidFunction2;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.streaming.StreamingQuery;
import org.apache.spark.sql.streaming.Trigger;
import org.apache.spark.storage.StorageLevel;
import org.apache.spark.streaming.Durations;
import org.apache.spark.streaming.api.java.JavaPairDStream;
import org.apache.spark.streaming.api.java.JavaStreamingContext;
import org.apache.spark.streaming.receiver.Receiver;
import scala.Tuple2;

/**
 * Makes Spark load the classes that applications of all kinds need: a batch job with a shuffle, a structured stream and a
 * DStream, each with files and a checkpoint. Its own results do not matter.
 */
public final class Training {
  private static final int WORDS = 1000;

  public static void main(String[] args) throws Exception {
    String dir = args[0];
    SparkSession session = SparkSession.builder().appName("training").getOrCreate();
    JavaSparkContext context = JavaSparkContext.fromSparkContext(session.sparkContext());
    batch(context, dir);
    table(session, dir);
    structuredStream(session, dir);
    stream(context, dir);
    session.stop();
  }

  private static void batch(JavaSparkContext context, String dir) {
    List<String> words = new ArrayList<>();
    for (int i = 0; i < WORDS; i++) {
      words.add("word" + i % 17);
    }
    context
        .parallelize(words, 4)
        .mapToPair(word -> new Tuple2<>(word, 1L))
        .reduceByKey(Long::sum, 4)
        .sortByKey()
        .saveAsTextFile(dir + "/batch");
    context.textFile(dir + "/batch").map(String::length).persist(StorageLevel.MEMORY_AND_DISK()).collect();
    context.broadcast(words).destroy();
  }

  private static void table(SparkSession session, String dir) {
    Dataset<Row> rows = session.range(WORDS).selectExpr("id", "concat('word', id % 17) as word");
    rows.groupBy("word").count().orderBy("word").write().json(dir + "/json");
    rows.write().parquet(dir + "/parquet");
    session.read().parquet(dir + "/parquet").join(session.read().json(dir + "/json"), "word").count();
  }

  private static void structuredStream(SparkSession session, String dir) throws Exception {
    Dataset<Row> words =
        session
            .readStream()
            .format("rate-micro-batch")
            .option("rowsPerBatch", 20)
            .load()
            .selectExpr("timestamp", "concat('word', value % 17) as word");
    StreamingQuery files =
        words.writeStream().option("checkpointLocation", dir + "/files-checkpoint").format("parquet").start(dir + "/files");
    VoidFunction2<Dataset<Row>, Long> collect = (batch, id) -> batch.collectAsList();
    StreamingQuery counts =
        words
            .groupBy("word")
            .count()
            .writeStream()
            .outputMode("update")
            .option("checkpointLocation", dir + "/counts-checkpoint")
            .trigger(Trigger.ProcessingTime("100 milliseconds"))
            .foreachBatch(collect)
            .start();
    while (counts.recentProgress().length < 3 || files.recentProgress().length < 3) {
      Thread.sleep(100);
    }
    counts.stop();
    files.stop();
  }

  private static void stream(JavaSparkContext context, String dir) throws Exception {
    JavaStreamingContext streaming = new JavaStreamingContext(context, Durations.milliseconds(500));
    streaming.checkpoint(dir + "/stream-checkpoint");
    JavaPairDStream<String, Long> counts =
        streaming
            .receiverStream(new Words())
            .mapToPair(word -> new Tuple2<>(word, 1L))
            .updateStateByKey((values, state) -> Optional.of(state.orElse(0L) + values.size()));
    counts.foreachRDD(
        rdd -> {
          rdd.collect();
          // Driver and this function live in one JVM.
          BATCHES.add(rdd.count());
        });
    streaming.start();
    while (BATCHES.size() < 4) {
      Thread.sleep(100);
    }
    streaming.stop(false, true);
  }

  private static final List<Long> BATCHES = java.util.Collections.synchronizedList(new ArrayList<>());

  /** Stores a word from time to time. */
  private static final class Words extends Receiver<String> {
    Words() {
      super(StorageLevel.MEMORY_AND_DISK_SER());
    }

    @Override
    public void onStart() {
      Thread thread =
          new Thread(
              () -> {
                for (int i = 0; !isStopped(); i++) {
                  store("word" + i % 17);
                  try {
                    Thread.sleep(20);
                  } catch (InterruptedException e) {
                    return;
                  }
                }
              });
      thread.setDaemon(true);
      thread.start();
    }

    @Override
    public void onStop() {}
  }
}
